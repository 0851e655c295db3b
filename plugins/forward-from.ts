// The way out through @fastify/reply-from: for every path that is not generation.
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Dispatcher } from 'undici'
import { clientError } from '../core/failure.ts'
import { kDelivery } from '../core/delivery.ts'
import { headerIn, headerMap, headersForClient } from '../core/headers.ts'
import { isEventStream } from '../core/relay.ts'
import { cutOff, http2Stream, sendHead, singled } from '../core/reply.ts'
import { errorEvent } from '../openai/sse.ts'
import { describeError } from './errors.ts'
import type { ClientDelivery } from './request-delivery.ts'

const kAsSent: unique symbol = Symbol('vllm-router.as-sent')

/** The parts of a request that reply-from would change. Path and headers are the delivery's: reply-from resolves paths as URLs and keeps headers in an object. */
interface AsSent {
  readonly body: Buffer | null
  readonly [kDelivery]: ClientDelivery
}

/** Puts a request as the client sent it in the place of what reply-from made of it. */
export const asSent: Dispatcher.DispatcherComposeInterceptor = dispatch => (options, handler) => {
  const { [kAsSent]: request } = options.headers as unknown as { [kAsSent]?: AsSent }
  return dispatch(request === undefined ? options : { ...options, ...request }, handler)
}

/** The worker's headers as the object Fastify wants. */
function answerHeaders (reply: FastifyReply, flat: readonly string[]): Record<string, string | string[]> {
  const headers = headerMap(flat)
  const { vary } = headers
  const own = reply.getHeader('vary')
  // what the router's answer hangs on stays beside what the worker's does
  if (vary !== undefined && own !== undefined) headers['vary'] = [vary, String(own)].flat()
  return http2Stream(reply.raw) === undefined ? headers : singled(headers)
}

/** The bytes of an event stream and, where it breaks off, an event that says so. */
async function * withLastWords (stream: Readable, delivery: ClientDelivery): AsyncGenerator<Buffer> {
  try {
    yield * stream as AsyncIterable<Buffer>
  } catch (error) {
    if (delivery.ended === undefined && delivery.call?.exchange.end === 'client_gone') throw error
    yield errorEvent(describeError(delivery.ended ?? clientError(error, true)).body, delivery.call?.atEventBoundary ?? true)
  }
}

/** Hands the worker's answer to Fastify. */
function answer (reply: FastifyReply, delivery: ClientDelivery, stream: Readable): void {
  // reply-from has given up on a status line that Fastify cannot repeat
  if (reply.sent) {
    stream.destroy()
    return
  }
  const { headers, message } = delivery.head
  const { raw } = reply
  const streamed = isEventStream(headers)
  const lengthKnown = headerIn(headers, 'content-length') !== undefined
  if (message !== '' && http2Stream(raw) === undefined) raw.statusMessage = message
  // from here on the answer is the worker's, also if it breaks before its first byte; the head of a stream goes out at once
  raw.once('pipe', () => {
    raw.writeHead(raw.statusCode)
    if (streamed) sendHead(raw)
  })
  // an answer whose length was announced has no room for one more event
  if (streamed && !lengthKnown) {
    reply.send(Readable.from(withLastWords(stream, delivery), { objectMode: false }))
    return
  }
  stream.once('error', () => { if (raw.headersSent) cutOff(raw, lengthKnown) })
  reply.send(stream)
}

/**
 * Sends the request of `reply`; `failed` is told when no answer came. False when nobody could take it.
 * @param without lower-case names of the worker's headers that do not go to the client
 */
export function sendFrom (
  reply: FastifyReply, delivery: ClientDelivery, failed: (error: Error) => void, without?: ReadonlySet<string>
): boolean {
  const { body } = reply.request
  const request: AsSent = { body: Buffer.isBuffer(body) ? body : null, [kDelivery]: delivery }
  reply.from('/', {
    // where the request goes is said by each attempt: see `asSent`
    getUpstream: () => 'http://worker.invalid',
    body: null,
    rewriteRequestHeaders: () => ({ [kAsSent]: request }),
    rewriteHeaders: () => answerHeaders(reply, headersForClient(delivery.head.headers, without)),
    // it would repeat GETs that were answered with 503 by itself
    retryDelay: () => null,
    onResponse: (_request, _reply, response) => answer(reply, delivery, (response as unknown as { stream: Readable }).stream),
    onError: (_reply, { error }) => failed(delivery.call?.exchange.error ?? error)
  })
  return delivery.call !== undefined
}
