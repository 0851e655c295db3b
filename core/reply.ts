// What HTTP/1 and HTTP/2 do differently with a reply: Node's two classes share their names, not always their meanings.
import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import { TLSSocket } from 'node:tls'
import { headerMap } from './headers.ts'

const noBytes = Buffer.alloc(0)

/** `INTERNAL_ERROR` of RFC 9113 §7: no client takes a stream that is reset so for complete. */
const internalError = 2

/** Headers of which Node lets an HTTP/2 answer have one value only, of those that answers have. */
const single = [
  'access-control-allow-credentials', 'access-control-max-age', 'age', 'content-encoding', 'content-language', 'content-length',
  'content-location', 'content-md5', 'content-range', 'content-type', 'date', 'etag', 'expires', 'last-modified', 'location',
  'retry-after', 'tk', 'user-agent', 'x-content-type-options'
]

/** The stream of an HTTP/2 reply; undefined over HTTP/1. */
export function http2Stream (reply: ServerResponse): ServerHttp2Stream | undefined {
  return (reply as ServerResponse & { readonly stream?: ServerHttp2Stream }).stream
}

/** The whole answer has been handed over to the system. Asked on `close`, it tells an answer from a client that left. */
export function isComplete (reply: ServerResponse): boolean {
  // Node finishes an HTTP/2 stream that the client resets by itself: only who ended the reply knows that it is whole
  return reply.writableFinished && reply.writableEnded
}

/** Nobody is there any more to answer: `close` has come, or comes now. */
export function isClosed (reply: ServerResponse): boolean {
  const stream = http2Stream(reply)
  return stream === undefined ? reply.destroyed : stream.closed || stream.destroyed
}

/** Writes the head of an answer from flat headers. HTTP/2 has no words beside the status. */
export function writeHead (reply: ServerResponse, status: number, message: string | undefined, headers: string[]): void {
  if (http2Stream(reply) === undefined) reply.writeHead(status, message, headers)
  else reply.writeHead(status, singled(headerMap(headers)))
}

/** Leaves the first value of headers that an HTTP/2 answer may not have twice. */
export function singled (headers: Record<string, string | string[]>): Record<string, string | string[]> {
  for (const name of single) {
    const value = headers[name]
    if (Array.isArray(value)) headers[name] = value[0] ?? ''
  }
  return headers
}

/** Sends a written head before the first byte of its body. (`flushHeaders` would send its Latin-1 values as UTF-8.) */
export function sendHead (reply: ServerResponse): void {
  // over HTTP/2 a head goes out when it is written
  if (http2Stream(reply) === undefined) reply.write(noBytes)
}

/** Ends the answer in a way that no client takes for its proper end: over HTTP/1 with its connection. */
export function cutOff (reply: ServerResponse, lengthKnown: boolean): void {
  const stream = http2Stream(reply)
  if (stream !== undefined) {
    // a stream that is merely destroyed ends with NO_ERROR
    stream.close(internalError)
    return
  }
  const framed = reply.chunkedEncoding || lengthKnown
  // without framing (HTTP/1.0) the end of the connection is the end of the answer: only a reset says otherwise
  const { socket } = reply
  // only a plain TCP socket can be reset; TLS marks a proper end by an alert of its own, which `destroy` does not send
  if (framed || socket === null || socket instanceof TLSSocket) reply.destroy()
  else socket.resetAndDestroy()
}
