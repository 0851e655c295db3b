// The routes of pooling models: embeddings, scores, rankings and classes, all deterministic and all through the engine.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { renderChat } from './chat-template.ts'
import { promptsOf } from './completions.ts'
import { badRequest, missingField } from './errors.ts'
import { generate, sum } from './generate.ts'
import { jsonBody, optionalInteger, record, required, requiredList, requiredText } from './json.ts'
import type { Serving } from './serving.ts'
import { hashTokens } from './tokens.ts'
import { usageOf, type Usage } from './usage.ts'

/** Length of an embedding when the client does not ask for another. */
const defaultDimensions = 32

interface Pooled {
  readonly id: string
  readonly created: number
  readonly model: string
  readonly usage: Usage
}

/** Adds the routes. */
export function poolingRoutes (app: FastifyInstance, serving: Serving): void {
  /** Reads all prompts with the engine, then answers with what `make` says. */
  function pool (request: FastifyRequest, reply: FastifyReply, body: Record<string, unknown>, kind: string, prompts: readonly (readonly number[])[], make: (pooled: Pooled) => object): void {
    const model = serving.modelOf(body)
    const choices = prompts.map(prompt => serving.readOnly(prompt))
    const tokens = sum(choices.map(choice => choice.prompt.length))
    generate(serving, { rank: serving.rankOf(request), model }, choices, {
      onDone: () => { reply.send(make({ id: `${kind}-${request.id}`, created: Math.floor(Date.now() / 1000), model, usage: usageOf(tokens, 0) })) }
    }, reply)
  }

  function inputs (body: Record<string, unknown>): number[][] {
    if (Array.isArray(body['messages'])) return [serving.tokenize(renderChat(body['messages'] as unknown[]))]
    return promptsOf(serving, required(body, 'input'), 'input')
  }

  app.post('/v1/embeddings', (request, reply) => {
    const body = jsonBody(request)
    const prompts = inputs(body)
    const dimensions = optionalInteger(body, 'dimensions') ?? defaultDimensions
    if (dimensions < 1 || dimensions > 4096) throw badRequest(`dimensions must be between 1 and 4096, got ${dimensions}.`, 'dimensions')
    const encode = body['encoding_format'] === 'base64' ? base64 : (vector: readonly number[]) => vector
    pool(request, reply, body, 'embd', prompts, ({ usage, ...head }) => ({
      ...head,
      object: 'list',
      data: prompts.map((prompt, index) => ({ index, object: 'embedding', embedding: encode(embed(prompt, dimensions)) })),
      usage
    }))
  })

  app.post('/pooling', (request, reply) => {
    const body = jsonBody(request)
    const prompts = inputs(body)
    pool(request, reply, body, 'pool', prompts, ({ usage, ...head }) => ({
      ...head,
      object: 'list',
      data: prompts.map((prompt, index) => ({ index, object: 'pooling', data: embed(prompt, defaultDimensions) })),
      usage
    }))
  })

  app.post('/classify', (request, reply) => {
    const body = jsonBody(request)
    const prompts = inputs(body)
    pool(request, reply, body, 'classify', prompts, ({ usage, ...head }) => ({
      ...head,
      object: 'list',
      data: prompts.map((prompt, index) => {
        const first = hashTokens(prompt) / 2 ** 32
        return { index, label: first >= 0.5 ? 'LABEL_0' : 'LABEL_1', probs: [first, 1 - first], num_classes: 2 }
      }),
      usage
    }))
  })

  for (const path of ['/score', '/v1/score']) {
    app.post(path, (request, reply) => {
      const body = jsonBody(request)
      const left = texts(body, ['text_1', 'queries', 'data_1'])
      const right = texts(body, ['text_2', 'documents', 'items', 'data_2'])
      if (left.length !== 1 && left.length !== right.length) throw badRequest('Input lengths must be either 1:1, 1:N or N:N')
      const pairs = right.map((text, at) => serving.tokenize(`${left[left.length === 1 ? 0 : at] ?? ''}\n${text}`))
      pool(request, reply, body, 'score', pairs, ({ usage, ...head }) => ({
        ...head,
        object: 'list',
        data: pairs.map((pair, index) => ({ index, object: 'score', score: hashTokens(pair) / 2 ** 32 })),
        usage
      }))
    })
  }

  for (const path of ['/rerank', '/v1/rerank', '/v2/rerank']) {
    app.post(path, (request, reply) => {
      const body = jsonBody(request)
      const query = requiredText(body, 'query')
      const documents = requiredList(body, 'documents').map(textOf)
      const pairs = documents.map(text => serving.tokenize(`${query}\n${text}`))
      const top = optionalInteger(body, 'top_n') ?? 0
      pool(request, reply, body, 'rerank', pairs, ({ id, model, usage }) => ({
        id,
        model,
        usage: { prompt_tokens: usage.prompt_tokens, total_tokens: usage.total_tokens },
        results: pairs
          .map((pair, index) => ({ index, document: { text: documents[index], multi_modal: null }, relevance_score: hashTokens(pair) / 2 ** 32 }))
          .sort((one, other) => other.relevance_score - one.relevance_score)
          .slice(0, top > 0 ? top : undefined)
      }))
    })
  }
}

function textOf (value: unknown): string {
  if (typeof value === 'string') return value
  const text = record(value)?.['text']
  return typeof text === 'string' ? text : JSON.stringify(value)
}

/** The text or texts under the first of `names` that the body has. */
function texts (body: Record<string, unknown>, names: readonly [string, ...string[]]): string[] {
  const name = names.find(one => body[one] !== undefined)
  if (name === undefined) throw missingField(names[0])
  const value = body[name]
  return Array.isArray(value) ? (value as unknown[]).map(textOf) : [textOf(value)]
}

/** A vector of length 1 that follows from the tokens alone. */
function embed (prompt: readonly number[], dimensions: number): number[] {
  const seed = hashTokens(prompt)
  const raw = Array.from({ length: dimensions }, (_, at) => hashTokens([at + 1], seed) / 2 ** 31 - 1)
  const norm = Math.sqrt(sum(raw.map(value => value * value))) || 1
  return raw.map(value => value / norm)
}

function base64 (vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4)
  vector.forEach((value, at) => bytes.writeFloatLE(value, at * 4))
  return bytes.toString('base64')
}
