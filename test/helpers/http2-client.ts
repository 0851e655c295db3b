// A client that speaks HTTP/2: one connection, requests on it, and what came of each.
import { once } from 'node:events'
import { connect } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders, SecureClientSessionOptions } from 'node:http2'
import type { Test } from 'tap'
import { pem } from './tls.ts'

/** A connection that ends with the test. */
export async function connectHttp2 (t: Test, url: string, options: SecureClientSessionOptions = {}): Promise<ClientHttp2Session> {
  const session = connect(url, { ca: pem('ca'), ...options })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  await once(session, 'connect')
  return session
}

/** What became of a request. */
export interface Http2Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** The stream ended as one that is complete does. */
  readonly complete: boolean
  /** The code it was reset with; 0 = it was not. */
  readonly reset: number
}

/** A request under way. */
export interface Http2Call {
  readonly stream: ClientHttp2Stream
  /** The body so far. */
  text (): string
  headers: IncomingHttpHeaders | undefined
  /** Resolves when the stream is closed, however. */
  readonly answer: Promise<Http2Answer>
}

/** Sends a request; a body goes with it unless `open` leaves it to the test. */
export function call (session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: string | Buffer, open = false): Http2Call {
  const stream = session.request(headers, { endStream: body === undefined && !open })
  const chunks: Buffer[] = []
  let ended = false
  const made: { -readonly [Key in keyof Http2Call]: Http2Call[Key] } = {
    stream,
    text: () => Buffer.concat(chunks).toString('latin1'),
    headers: undefined,
    answer: new Promise(resolve => {
      stream.once('close', () => {
        resolve({ status: Number(made.headers?.[':status'] ?? 0), headers: made.headers ?? {}, body: Buffer.concat(chunks), complete: ended && stream.rstCode === 0, reset: stream.rstCode })
      })
    })
  }
  stream.on('error', () => {})
  stream.once('response', headers => { made.headers = headers })
  stream.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  stream.once('end', () => { ended = true })
  if (body !== undefined) {
    if (open) stream.write(body)
    else stream.end(body)
  }
  return made
}

/** POSTs JSON. */
export function postHttp2 (session: ClientHttp2Session, path: string, body: unknown, headers: OutgoingHttpHeaders = {}): Http2Call {
  return call(session, { ':method': 'POST', ':path': path, 'content-type': 'application/json', ...headers }, JSON.stringify(body))
}
