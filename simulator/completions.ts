// POST /v1/completions and the token-level generate routes.
import type { FastifyInstance } from 'fastify'
import { EventStream, sendJson } from './answer.ts'
import { runCompletion, variantsOf, type Shape } from './completion-run.ts'
import { badRequest, internalError, invalidField } from './errors.ts'
import { generate } from './generate.ts'
import { isTokenIds, jsonBody, record, required } from './json.ts'
import type { Choice, Serving } from './serving.ts'
import { detokenize, tokenText } from './tokens.ts'

/** Adds the routes. */
export function completionRoutes (app: FastifyInstance, serving: Serving): void {
  app.post('/v1/completions', (request, reply) => {
    const body = jsonBody(request)
    const prompts = promptsOf(serving, required(body, 'prompt'), 'prompt')
    serving.modelOf(body)
    const variants = variantsOf(body)
    const choices = prompts.flatMap(prompt => Array.from({ length: variants }, (_, variant) => serving.answer(body, prompt, variant)))
    runCompletion(serving, request, reply, body, choices, variants, textShape(choices))
  })

  app.post('/generate', (request, reply) => {
    const body = jsonBody(request)
    const [prompt = []] = promptsOf(serving, body['prompt_token_ids'] ?? required(body, 'prompt'), 'prompt')
    const choice = serving.answer(body, prompt)
    const place = { rank: serving.rankOf(request), model: serving.model }
    const whole = detokenize(prompt) + detokenize(choice.output)
    generate(serving, place, [choice], { onDone: () => sendJson(reply, { text: [whole] }) }, reply)
  })

  app.post('/inference/v1/generate', (request, reply) => {
    const body = jsonBody(request)
    const ids = required(body, 'token_ids')
    if (!isTokenIds(ids)) throw invalidField('token_ids', 'list_type', 'Input should be a valid list')
    const model = serving.modelOf(body)
    const choice = serving.answer(record(required(body, 'sampling_params')) ?? {}, ids)
    const rank = serving.rankOf(request)
    const place = { rank, model, kv: serving.kv?.leg(request.id, 'generate', rank, body) }
    const id = typeof body['request_id'] === 'string' ? body['request_id'] : request.id
    if (body['stream'] === true) {
      const stream = new EventStream(reply)
      generate(serving, place, [choice], {
        onToken: (_, index) => stream.send({
          request_id: id,
          choices: [{ index: 0, logprobs: null, finish_reason: index + 1 === choice.output.length ? choice.reason : null, token_ids: [choice.output[index]] }]
        }),
        onFailed () {
          stream.send(internalError().body())
          stream.done()
        },
        onDone: () => stream.done()
      }, reply)
      return
    }
    generate(serving, place, [choice], {
      onFailed: () => { reply.code(500).send(internalError().body()) },
      onDone: (_, kvParams) => sendJson(reply, {
        request_id: id,
        choices: [{ index: 0, logprobs: null, finish_reason: choice.reason, token_ids: choice.output }],
        prompt_logprobs: null,
        kv_transfer_params: kvParams
      })
    }, reply)
  })
}

/** The prompts of a field that takes a text, a list of texts, token ids, or a list of these. */
export function promptsOf (serving: Serving, value: unknown, name: string): number[][] {
  if (typeof value === 'string') return [serving.tokenize(value)]
  if (isTokenIds(value)) return [[...value]]
  if (!Array.isArray(value)) throw invalidField(name, 'string_type', 'Input should be a valid string')
  if (value.length === 0) throw badRequest(`Please provide at least one ${name}.`, name)
  return (value as unknown[]).map(one => {
    if (typeof one === 'string') return serving.tokenize(one)
    if (isTokenIds(one)) return [...one]
    throw invalidField(name, 'string_type', 'Input should be a valid string')
  })
}

function textShape (choices: readonly Choice[]): Shape {
  const common = { logprobs: null, stop_reason: null }
  return {
    idPrefix: 'cmpl',
    object: 'text_completion',
    chunkObject: 'text_completion',
    whole: at => ({ index: at, text: detokenize(choices[at]?.output ?? []), ...common, finish_reason: choices[at]?.reason, token_ids: null, prompt_logprobs: null, prompt_token_ids: null }),
    opening: () => undefined,
    token: (at, index, last) => ({ index: at, text: tokenText(choices[at]?.output[index] ?? 0), ...common, finish_reason: last ? choices[at]?.reason ?? null : null })
  }
}
