// The Responses API: create (whole, streamed, in the background), get and cancel.
import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { EventStream, sendJson } from './answer.ts'
import { renderChat } from './chat-template.ts'
import { badRequest, internalError, invalidField, notFound } from './errors.ts'
import { generate } from './generate.ts'
import { jsonBody, required } from './json.ts'
import type { Serving } from './serving.ts'
import { detokenize, tokenText } from './tokens.ts'

interface Stored {
  /** The response object as it stands. */
  response: Record<string, unknown>
  /** The conversation up to and with its answer, for `previous_response_id`. */
  readonly messages: readonly unknown[]
  /** Set while it is generated in the background. */
  abort?: (() => void) | undefined
}

/** Adds the routes; `limit` responses are kept, the oldest being forgotten first. */
export function responseRoutes (app: FastifyInstance, serving: Serving, limit: number): void {
  const stored = new Map<string, Stored>()

  function store (id: string, entry: Stored): void {
    stored.set(id, entry)
    for (const oldest of stored.keys()) {
      if (stored.size <= limit) break
      stored.delete(oldest)
    }
  }

  function find (id: string): Stored {
    const entry = stored.get(id)
    if (entry === undefined) throw notFound(`Response with id '${id}' not found.`, 'response_id')
    return entry
  }

  app.post('/v1/responses', (request, reply) => {
    const body = jsonBody(request)
    const previous = typeof body['previous_response_id'] === 'string' ? find(body['previous_response_id']).messages : []
    const messages = [...previous, ...inputOf(body)]
    const model = serving.modelOf(body)
    const choice = serving.answer(body, serving.tokenize(renderChat(messages, Array.isArray(body['tools']) ? body['tools'] as unknown[] : [])))
    const rank = serving.rankOf(request)
    const place = { rank, model, kv: serving.kv?.leg(request.id, 'resp', rank, body) }
    const text = detokenize(choice.output)
    const id = `resp_${randomUUID().replaceAll('-', '')}`
    const itemId = `msg_${id.slice(5)}`
    const background = body['background'] === true
    const keep = body['store'] !== false
    const base = { id, object: 'response', created_at: Math.floor(Date.now() / 1000), model, background, error: null, incomplete_details: null }
    const message = (status: string, content: string): object =>
      ({ id: itemId, type: 'message', role: 'assistant', status, content: content === '' ? [] : [{ type: 'output_text', text: content, annotations: [], logprobs: null }] })
    const response = (status: string, cached?: number): Record<string, unknown> => ({
      ...base,
      status,
      output: cached === undefined ? [] : [message('completed', text)],
      usage: cached === undefined ? null : responseUsage(choice.prompt.length, choice.output.length, cached)
    })
    const entry: Stored = { response: response(background ? 'queued' : 'in_progress'), messages: [...messages, { role: 'assistant', content: text }] }
    const finish = (cached: readonly number[]): Record<string, unknown> => {
      entry.response = response('completed', cached[0] ?? 0)
      entry.abort = undefined
      if (keep && !background) store(id, entry)
      return entry.response
    }

    if (background) {
      if (!keep) throw badRequest("background can only be used when 'store' is true.", 'background')
      store(id, entry)
      reply.send(entry.response)
      const run = generate(serving, place, [choice], { onDone: finish })
      entry.abort = run.abort
      entry.response = response('in_progress')
      return
    }
    if (body['stream'] !== true) {
      generate(serving, place, [choice], {
        onFailed: () => { reply.code(500).send(internalError().body()) },
        onDone: (cached, kvParams) => sendJson(reply, { ...finish(cached), ...(kvParams === null ? {} : { kv_transfer_params: kvParams }) })
      }, reply)
      return
    }
    const stream = new EventStream(reply)
    let sequence = 0
    const send = (type: string, fields: object): void => stream.send({ type, sequence_number: sequence++, ...fields }, type)
    const where = { item_id: itemId, output_index: 0, content_index: 0 }
    send('response.created', { response: entry.response })
    send('response.in_progress', { response: entry.response })
    generate(serving, place, [choice], {
      onToken (_, index) {
        if (index === 0) {
          send('response.output_item.added', { output_index: 0, item: message('in_progress', '') })
          send('response.content_part.added', { ...where, part: { type: 'output_text', text: '', annotations: [], logprobs: [] } })
        }
        send('response.output_text.delta', { ...where, delta: tokenText(choice.output[index] ?? 0), logprobs: [] })
      },
      onFailed () {
        stream.send(internalError().body())
        stream.end()
      },
      onDone (cached) {
        send('response.output_text.done', { ...where, text, logprobs: [] })
        send('response.content_part.done', { ...where, part: { type: 'output_text', text, annotations: [], logprobs: null } })
        send('response.output_item.done', { output_index: 0, item: message('completed', text) })
        send('response.completed', { response: finish(cached) })
        stream.end()
      }
    }, reply)
  })

  app.get<{ Params: { id: string } }>('/v1/responses/:id', (request, reply) => {
    reply.send(find(request.params.id).response)
  })

  app.post<{ Params: { id: string } }>('/v1/responses/:id/cancel', (request, reply) => {
    const entry = find(request.params.id)
    if (entry.response['background'] !== true) throw badRequest('Cannot cancel a synchronous response.', 'response_id')
    if (entry.abort !== undefined) {
      entry.abort()
      entry.abort = undefined
      entry.response = { ...entry.response, status: 'cancelled' }
    }
    reply.send(entry.response)
  })

  app.addHook('onClose', async () => {
    for (const entry of stored.values()) entry.abort?.()
  })
}

function inputOf (body: Record<string, unknown>): readonly unknown[] {
  const input = required(body, 'input')
  const system = typeof body['instructions'] === 'string' ? [{ role: 'system', content: body['instructions'] }] : []
  if (typeof input === 'string') return [...system, { role: 'user', content: input }]
  if (Array.isArray(input)) return [...system, ...input as unknown[]]
  throw invalidField('input', 'string_type', 'Input should be a valid string')
}

function responseUsage (prompt: number, generated: number, cached: number): object {
  return {
    input_tokens: prompt,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: generated,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: prompt + generated
  }
}
