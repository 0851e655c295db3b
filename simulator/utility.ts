// Tokenizer and transcription routes of a simulated worker.
import type { FastifyInstance } from 'fastify'
import { renderChat } from './chat-template.ts'
import { promptsOf } from './completions.ts'
import { invalidField } from './errors.ts'
import { sendJson } from './answer.ts'
import { generate } from './generate.ts'
import { isTokenIds, jsonBody, rawBody, required } from './json.ts'
import type { Serving } from './serving.ts'
import { detokenize, tokenize, tokenText, wordToken } from './tokens.ts'

/** Adds the routes. */
export function utilityRoutes (app: FastifyInstance, serving: Serving): void {
  app.post('/tokenize', (request, reply) => {
    const body = jsonBody(request)
    serving.modelOf(body)
    const { prompt } = body
    const tokens = Array.isArray(body['messages'])
      ? tokenize(renderChat(body['messages'] as unknown[], Array.isArray(body['tools']) ? body['tools'] as unknown[] : []))
      : typeof prompt === 'string' ? tokenize(prompt) : promptsOf(serving, required(body, 'prompt'), 'prompt').flat()
    reply.send({ count: tokens.length, max_model_len: serving.maxModelLen, tokens, token_strs: body['return_token_strs'] === true ? tokens.map(tokenText) : null })
  })

  app.post('/detokenize', (request, reply) => {
    const body = jsonBody(request)
    serving.modelOf(body)
    const tokens = required(body, 'tokens')
    if (!isTokenIds(tokens)) throw invalidField('tokens', 'list_type', 'Input should be a valid list')
    reply.send({ prompt: detokenize(tokens) })
  })

  // The form is not taken apart: its size is all that the answer tells.
  for (const path of ['/v1/audio/transcriptions', '/v1/audio/translations']) {
    app.post(path, (request, reply) => {
      const bytes = rawBody(request).length
      const prompt = Array.from({ length: Math.min(1500, 1 + Math.floor(bytes / 1024)) }, (_, at) => wordToken(bytes, at))
      const choice = serving.recite({}, prompt, `${bytes} bytes`)
      const answer = { text: `${bytes} bytes`, usage: { type: 'duration', seconds: Math.ceil(bytes / 32_000) } }
      generate(serving, { rank: serving.rankOf(request), model: serving.model }, [choice], { onDone: () => sendJson(reply, answer) }, reply)
    })
  }
}
