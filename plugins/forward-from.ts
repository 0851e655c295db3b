// The way out through @fastify/reply-from: for every path that is not generation.
import type { FastifyReply } from 'fastify'
import { clientError } from '../core/failure.ts'
import { kExchange } from '../core/dispatcher.ts'
import { headersForClient } from '../core/headers.ts'
import { errorEvent } from '../openai/sse.ts'
import type { Call } from './call.ts'
import { describeError } from './errors.ts'

type HeaderMap = Record<string, string | string[]>

/** Flat headers as the object reply-from and Fastify want; a repeated name keeps all its values. */
function toMap (flat: readonly string[]): HeaderMap {
  const map: HeaderMap = {}
  for (let i = 0; i < flat.length; i += 2) {
    const name = (flat[i] ?? '').toLowerCase()
    const value = flat[i + 1] ?? ''
    const known = map[name]
    if (known === undefined) map[name] = value
    else if (Array.isArray(known)) known.push(value)
    else map[name] = [known, value]
  }
  return map
}

/** The bytes of a broken event stream, and an event at its end that says so. */
async function * withLastWords (stream: AsyncIterable<Buffer>, call: Call): AsyncGenerator<Buffer> {
  try {
    yield * stream
  } catch (error) {
    if (call.exchange.end === 'client_gone') throw error
    yield errorEvent(describeError(clientError(error, true)).body, call.atEventBoundary)
  }
}

/** Sends the request of `reply` to the call's worker; `failed` is told when no answer came. */
export function sendFrom (reply: FastifyReply, call: Call, path: string, headers: readonly string[], failed: (error: Error) => void): void {
  const { worker } = call.assignment
  const query = path.indexOf('?')
  const { method, body } = reply.request
  const sent = Buffer.isBuffer(body) && method !== 'GET' && method !== 'HEAD' ? body : undefined
  const own = toMap(headers)
  reply.from(worker.basePath + (query === -1 ? path : path.slice(0, query)), {
    getUpstream: () => worker.origin,
    queryString: () => query === -1 ? '' : path.slice(query + 1),
    // reply-from encodes a body as JSON unless it is given its type; the client's own type is put back below
    body: sent ?? null,
    ...(sent === undefined ? {} : { contentType: 'application/octet-stream' }),
    rewriteRequestHeaders: () => ({ ...own, [kExchange]: call.exchange }),
    rewriteHeaders: () => toMap(headersForClient(call.exchange.headers)),
    // it would repeat GETs that were answered with 503 by itself
    retryDelay: () => null,
    onResponse (_request, _reply, response) {
      const { stream } = response as unknown as { stream: AsyncIterable<Buffer> }
      reply.send(call.streamed ? withLastWords(stream, call) : stream)
    },
    onError: (_reply, { error }) => failed(call.exchange.error ?? error)
  })
}
