// Turns a chat into the one text that is tokenized, the way a ChatML template does, so that a conversation's next turn begins with its last.
import { record } from './json.ts'

/** Opens the answer: what is generated stands behind it, now and when it comes back as a message. */
const ANSWER = '<|im_start|>assistant\n'

/** The prompt of a chat: tools first, then every message, then the opening of the answer. */
export function renderChat (messages: readonly unknown[], tools?: readonly unknown[]): string {
  let text = tools === undefined || tools.length === 0 ? '' : `<|im_start|>tools\n${JSON.stringify(tools)}<|im_end|>\n`
  for (const message of messages) text += renderMessage(record(message) ?? {})
  return text + ANSWER
}

function renderMessage (message: Record<string, unknown>): string {
  const role = typeof message['role'] === 'string' ? message['role'] : 'user'
  const calls = message['tool_calls'] === undefined ? '' : JSON.stringify(message['tool_calls'])
  return `<|im_start|>${role}\n${renderContent(message['content'])}${calls}<|im_end|>\n`
}

/** A message's content: the text itself, or the text parts with everything that is not text as JSON. */
export function renderContent (content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  let text = ''
  for (const part of content as unknown[]) {
    const own = typeof part === 'string' ? part : record(part)?.['text']
    text += typeof own === 'string' ? own : JSON.stringify(part)
  }
  return text
}
