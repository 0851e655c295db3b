// POST /v1/chat/completions: text or one tool call, whole or streamed.
import type { FastifyInstance } from 'fastify'
import { renderChat } from './chat-template.ts'
import { runCompletion, variantsOf, type Shape } from './completion-run.ts'
import { jsonBody, requiredList } from './json.ts'
import type { Choice, Serving } from './serving.ts'
import { detokenize, tokenText } from './tokens.ts'
import { toolCallOf, type ToolCall } from './tools.ts'

/** Adds the route. */
export function chatRoutes (app: FastifyInstance, serving: Serving): void {
  app.post('/v1/chat/completions', (request, reply) => {
    const body = jsonBody(request)
    const messages = requiredList(body, 'messages')
    serving.modelOf(body)
    const tools = Array.isArray(body['tools']) ? body['tools'] as unknown[] : []
    const prompt = serving.tokenize(renderChat(messages, tools))
    const call = toolCallOf(body, messages)
    const variants = variantsOf(body)
    const choices = Array.from({ length: variants }, (_, variant) =>
      call === undefined ? serving.answer(body, prompt, variant) : serving.recite(body, prompt, call.arguments))
    const shape = call === undefined ? textShape(choices) : toolShape(choices, call, request.id)
    runCompletion(serving, request, reply, body, choices, variants, shape)
  })
}

const kind = { idPrefix: 'chatcmpl', object: 'chat.completion', chunkObject: 'chat.completion.chunk' } as const

function chunk (index: number, delta: object, finishReason: string | null): object {
  return { index, delta, logprobs: null, finish_reason: finishReason, ...(finishReason === null ? {} : { stop_reason: null }), token_ids: null }
}

function textShape (choices: readonly Choice[]): Shape {
  return {
    ...kind,
    whole: at => ({
      index: at,
      message: { role: 'assistant', content: detokenize(choices[at]?.output ?? []), refusal: null, annotations: null, audio: null, function_call: null, tool_calls: [], reasoning: null },
      logprobs: null,
      finish_reason: choices[at]?.reason,
      stop_reason: null,
      token_ids: null
    }),
    opening: at => chunk(at, { role: 'assistant', content: '' }, null),
    token: (at, index, last) => chunk(at, { content: tokenText(choices[at]?.output[index] ?? 0) }, last ? choices[at]?.reason ?? null : null)
  }
}

function toolShape (choices: readonly Choice[], call: ToolCall, requestId: string): Shape {
  const id = `chatcmpl-tool-${requestId}`
  const reason = (at: number): string => choices[at]?.reason === 'length' ? 'length' : call.forced ? 'stop' : 'tool_calls'
  return {
    ...kind,
    whole: at => ({
      index: at,
      message: {
        role: 'assistant',
        content: null,
        refusal: null,
        annotations: null,
        audio: null,
        function_call: null,
        tool_calls: [{ id, type: 'function', function: { name: call.name, arguments: detokenize(choices[at]?.output ?? []) } }],
        reasoning: null
      },
      logprobs: null,
      finish_reason: reason(at),
      stop_reason: null,
      token_ids: null
    }),
    opening: at => chunk(at, { role: 'assistant', content: '' }, null),
    token (at, index, last) {
      const piece = tokenText(choices[at]?.output[index] ?? 0)
      const part = index === 0
        ? { id, type: 'function', index: 0, function: { name: call.name, arguments: piece } }
        : { index: 0, function: { arguments: piece } }
      return chunk(at, { tool_calls: [part] }, last ? reason(at) : null)
    }
  }
}
