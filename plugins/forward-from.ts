// The way out through @fastify/reply-from: for every path that is not generation.
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Dispatcher } from 'undici'
import { clientError } from '../core/failure.ts'
import { kExchange } from '../core/dispatcher.ts'
import { headerIn, headersForClient } from '../core/headers.ts'
import { cutOff, sendHead } from '../core/relay.ts'
import { errorEvent } from '../openai/sse.ts'
import type { Call } from './call.ts'
import { describeError } from './errors.ts'

type HeaderMap = Record<string, string | string[]>

const kAsSent: unique symbol = Symbol('vllm-router.as-sent')

/** The parts of a request that reply-from would change: it resolves paths as URLs and keeps headers in an object. */
interface AsSent {
  readonly path: string
  readonly headers: string[]
  readonly body: Buffer | null
  readonly [kExchange]: Call['exchange']
}

/** Puts a request as the client sent it in the place of what reply-from made of it. */
export const asSent: Dispatcher.DispatcherComposeInterceptor = dispatch => (options, handler) => {
  const { [kAsSent]: request } = options.headers as unknown as { [kAsSent]?: AsSent }
  return dispatch(request === undefined ? options : { ...options, ...request }, handler)
}

/** Flat headers as the object Fastify wants; a repeated name keeps all its values. */
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

/** The bytes of an event stream and, where it breaks off, an event that says so. */
async function * withLastWords (stream: Readable, call: Call): AsyncGenerator<Buffer> {
  try {
    yield * stream as AsyncIterable<Buffer>
  } catch (error) {
    if (call.exchange.end === 'client_gone') throw error
    yield errorEvent(describeError(clientError(error, true)).body, call.atEventBoundary)
  }
}

/** Hands the worker's answer to Fastify. */
function answer (reply: FastifyReply, call: Call, stream: Readable): void {
  // reply-from has given up on a status line that Fastify cannot repeat
  if (reply.sent) {
    stream.destroy()
    return
  }
  const { exchange, streamed } = call
  const { raw } = reply
  const lengthKnown = headerIn(exchange.headers, 'content-length') !== undefined
  if (exchange.statusMessage !== '') raw.statusMessage = exchange.statusMessage
  // from here on the answer is the worker's, also if it breaks before its first byte; the head of a stream goes out at once
  raw.once('pipe', () => {
    raw.writeHead(raw.statusCode)
    if (streamed) sendHead(raw)
  })
  // an answer whose length was announced has no room for one more event
  if (streamed && !lengthKnown) {
    reply.send(Readable.from(withLastWords(stream, call), { objectMode: false }))
    return
  }
  stream.once('error', () => { if (raw.headersSent) cutOff(raw, lengthKnown) })
  reply.send(stream)
}

/** Sends the request of `reply` to the call's worker; `failed` is told when no answer came. */
export function sendFrom (reply: FastifyReply, call: Call, path: string, headers: string[], failed: (error: Error) => void): void {
  const { worker } = call.assignment
  const { body } = reply.request
  const request: AsSent = { path: worker.basePath + path, headers, body: Buffer.isBuffer(body) ? body : null, [kExchange]: call.exchange }
  reply.from('/', {
    getUpstream: () => worker.origin,
    // path, headers and body are those of `request` in the end: see `asSent`
    body: null,
    rewriteRequestHeaders: () => ({ [kAsSent]: request }),
    rewriteHeaders: () => toMap(headersForClient(call.exchange.headers)),
    // it would repeat GETs that were answered with 503 by itself
    retryDelay: () => null,
    onResponse: (_request, _reply, response) => answer(reply, call, (response as unknown as { stream: Readable }).stream),
    onError: (_reply, { error }) => failed(call.exchange.error ?? error)
  })
}
