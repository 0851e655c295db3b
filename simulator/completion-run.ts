// What chat and text completions share: choices through the engine, then either one JSON object or a stream of chunks.
import type { FastifyReply, FastifyRequest } from 'fastify'
import { EventStream, sendJson } from './answer.ts'
import { badRequest, internalError } from './errors.ts'
import { generate, sum } from './generate.ts'
import { optionalInteger, record } from './json.ts'
import type { Choice, Serving } from './serving.ts'
import { usageOf, type Usage } from './usage.ts'

/** How one kind of completion looks on the wire. */
export interface Shape {
  /** Before the request's id: `chatcmpl`, `cmpl`. */
  readonly idPrefix: string
  readonly object: string
  readonly chunkObject: string
  /** Choice `choice` of the whole answer. */
  whole (choice: number): object
  /** Chunk before the first token of a choice; undefined for none. */
  opening (choice: number): object | undefined
  /** Chunk for token `index`; `last` when it is the choice's last. */
  token (choice: number, index: number, last: boolean): object
}

/** `n` of a body: answers to each prompt, 1 to 64. */
export function variantsOf (body: Record<string, unknown>): number {
  const n = optionalInteger(body, 'n') ?? 1
  if (n < 1 || n > 64) throw badRequest(`n must be between 1 and 64, got ${n}.`, 'n')
  return n
}

/** Generates and answers. `choices` stand in the order of their prompts, `variants` for each prompt. */
export function runCompletion (serving: Serving, request: FastifyRequest, reply: FastifyReply, body: Record<string, unknown>, choices: readonly Choice[], variants: number, shape: Shape): void {
  const model = serving.modelOf(body)
  const rank = serving.rankOf(request)
  const place = { rank, model, kv: serving.kv?.leg(request.id, shape.idPrefix, rank, body) }
  const id = `${shape.idPrefix}-${request.id}`
  const created = Math.floor(Date.now() / 1000)
  const prompts = choices.filter((_, at) => at % variants === 0)
  const promptTokens = sum(prompts.map(choice => choice.prompt.length))
  const usage = (completionTokens: number, cached: readonly number[]): Usage =>
    usageOf(promptTokens, completionTokens, serving.details ? sum(cached.filter((_, at) => at % variants === 0)) : undefined)

  if (body['stream'] !== true) {
    generate(serving, place, choices, {
      onFailed: () => { reply.code(500).send(internalError().body()) },
      onDone: (cached, kvParams) => sendJson(reply, {
        id,
        object: shape.object,
        created,
        model,
        choices: choices.map((_, at) => shape.whole(at)),
        service_tier: null,
        system_fingerprint: 'vllm-0.32.0-simulated',
        usage: usage(sum(choices.map(choice => choice.output.length)), cached),
        kv_transfer_params: kvParams
      })
    }, reply)
    return
  }

  const options = record(body['stream_options'])
  const continuous = options?.['continuous_usage_stats'] === true
  const stream = new EventStream(reply)
  let generated = 0
  const send = (choice: object): void => stream.send({
    id,
    object: shape.chunkObject,
    created,
    model,
    choices: [choice],
    ...(continuous ? { usage: usageOf(promptTokens, generated) } : {})
  })
  generate(serving, place, choices, {
    onToken (at, index) {
      generated++
      if (index === 0) {
        const opening = shape.opening(at)
        if (opening !== undefined) send(opening)
      }
      send(shape.token(at, index, index + 1 === choices[at]?.output.length))
    },
    onFailed () {
      stream.send(internalError().body())
      stream.done()
    },
    onDone (cached) {
      if (options?.['include_usage'] === true) {
        stream.send({ id, object: shape.chunkObject, created, model, choices: [], usage: usage(generated, cached) })
      }
      stream.done()
    }
  }, reply)
}
