// Decides when a chat is answered by a tool call, and with which arguments.
import { record } from './json.ts'
import { renderContent } from './chat-template.ts'

/** A call the model makes. `forced`: the client named the function, for which vLLM's finish_reason is `stop`. */
export interface ToolCall {
  readonly name: string
  readonly arguments: string
  readonly forced: boolean
}

/** The call that answers a chat with tools: when one is required or named, or the last user message has the word "tool". */
export function toolCallOf (body: Record<string, unknown>, messages: readonly unknown[]): ToolCall | undefined {
  const tools = Array.isArray(body['tools']) ? body['tools'] as unknown[] : []
  const choice = body['tool_choice']
  if (tools.length === 0 || choice === 'none') return undefined
  const named = record(record(choice)?.['function'])?.['name']
  if (named === undefined && choice !== 'required' && !/\btool\b/i.test(lastUserText(messages))) return undefined
  const functions = tools.map(tool => record(record(tool)?.['function']) ?? {})
  const wanted = named === undefined ? functions[0] : functions.find(one => one['name'] === named)
  if (wanted === undefined) return undefined
  return { name: String(wanted['name']), arguments: JSON.stringify(fill(record(wanted['parameters']) ?? {}, 8)), forced: named !== undefined }
}

function lastUserText (messages: readonly unknown[]): string {
  for (let at = messages.length - 1; at >= 0; at--) {
    const message = record(messages[at])
    if (message?.['role'] === 'user') return renderContent(message['content'])
  }
  return ''
}

/** The simplest value a JSON schema allows, as far as the usual keywords tell; nothing deeper than `depth`. */
function fill (schema: Record<string, unknown>, depth: number): unknown {
  if ('const' in schema) return schema['const']
  if ('default' in schema) return schema['default']
  if (Array.isArray(schema['enum'])) return (schema['enum'] as unknown[])[0]
  const type: unknown = Array.isArray(schema['type']) ? (schema['type'] as unknown[])[0] : schema['type']
  if (type === 'string') return 'text'
  if (type === 'integer' || type === 'number') return typeof schema['minimum'] === 'number' ? schema['minimum'] : 0
  if (type === 'boolean') return true
  if (type === 'array') return []
  if (type === 'null') return null
  const object: Record<string, unknown> = {}
  const properties = record(schema['properties']) ?? {}
  const required = Array.isArray(schema['required']) ? schema['required'] as unknown[] : Object.keys(properties)
  if (depth > 0) for (const name of required) if (typeof name === 'string') object[name] = fill(record(properties[name]) ?? { type: 'string' }, depth - 1)
  return object
}
