// A client made of a socket: sends the bytes it is told to and shows the bytes that come back.
import { connect } from 'node:net'
import type { Socket } from 'node:net'

/** An answer taken apart no further than needed. */
export interface RawAnswer {
  readonly statusLine: string
  readonly status: number
  /** Names and values in turn, as on the wire. */
  readonly headers: readonly string[]
  /** Without the framing of the transfer. */
  readonly body: Buffer
  /** The framing says that this is all of it: a last chunk, or as many bytes as announced. */
  readonly complete: boolean
  /** The connection was reset. */
  readonly reset: boolean
}

/** What to send. */
export interface RawRequest {
  readonly method?: string
  readonly path: string
  readonly headers?: ReadonlyArray<readonly [name: string, value: string]>
  readonly body?: string | Buffer
  /** Send the body in chunks of that many bytes instead of with a length. */
  readonly chunked?: number
}

/** The bytes of a request; the connection is to end with it unless `connection` says otherwise. */
export function requestBytes (request: RawRequest, connection = 'close'): Buffer {
  const { method = 'POST', path, headers = [], body, chunked } = request
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: router.example', `Connection: ${connection}`, ...headers.map(([name, value]) => `${name}: ${value}`)]
  const content = body === undefined ? undefined : Buffer.from(body as string)
  if (content !== undefined) lines.push(chunked === undefined ? `Content-Length: ${content.length}` : 'Transfer-Encoding: chunked')
  const head = Buffer.from(lines.join('\r\n') + '\r\n\r\n', 'latin1')
  if (content === undefined || chunked === undefined) return Buffer.concat([head, content ?? Buffer.alloc(0)])
  const parts = [head]
  for (let at = 0; at < content.length; at += chunked) {
    const piece = content.subarray(at, at + chunked)
    parts.push(Buffer.from(piece.length.toString(16) + '\r\n'), piece, Buffer.from('\r\n'))
  }
  parts.push(Buffer.from('0\r\n\r\n'))
  return Buffer.concat(parts)
}

/** Sends one request on a connection of its own and reads until that ends. */
export function send (port: number, request: RawRequest): Promise<RawAnswer> {
  return sendBytes(port, requestBytes(request), request.method)
}

/** Sends bytes and reads until the connection ends. */
export function sendBytes (port: number, bytes: Buffer, method = 'POST'): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    let reset = false
    socket.on('data', chunk => { chunks.push(chunk) })
    socket.on('error', (error: NodeJS.ErrnoException) => { reset = error.code === 'ECONNRESET' || error.code === 'EPIPE' })
    socket.on('close', () => {
      try {
        resolve(parse(Buffer.concat(chunks), method, reset))
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    })
    socket.write(bytes)
  })
}

/** A connection that sent these bytes, with all it got so far; `closed` resolves at its end, reset or not. */
export function open (port: number, bytes: Buffer): { socket: Socket, text: () => string, closed: Promise<void> } {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('latin1')
  socket.on('data', (part: string) => { text += part })
  // a server that cuts a client that still writes resets the connection
  socket.on('error', () => {})
  const closed = new Promise<void>(resolve => { socket.once('close', () => { resolve() }) })
  socket.write(bytes)
  return { socket, text: () => text, closed }
}

/** Takes a whole answer apart. */
export function parse (bytes: Buffer, method = 'POST', reset = false): RawAnswer {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) throw new Error(`no answer: ${JSON.stringify(bytes.toString('latin1'))}${reset ? ' (reset)' : ''}`)
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n')
  const headers = lines.flatMap(line => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  const status = Number(statusLine.split(' ')[1])
  // interim answers come before the real one
  if (status < 200) return parse(bytes.subarray(end + 4), method, reset)
  const named = (name: string): string | undefined => headers.find((_, at) => at % 2 === 1 && headers[at - 1]?.toLowerCase() === name)
  const rest = bytes.subarray(end + 4)
  const length = named('content-length')
  const chunked = named('transfer-encoding') === 'chunked'
  if (method === 'HEAD' || status === 204 || status === 304) return { statusLine, status, headers, body: rest, complete: rest.length === 0, reset }
  if (!chunked) return { statusLine, status, headers, body: rest, complete: length === undefined ? !reset : rest.length === Number(length), reset }
  const parts: Buffer[] = []
  let at = 0
  while (true) {
    const line = rest.indexOf('\r\n', at)
    const size = line === -1 ? NaN : parseInt(rest.toString('latin1', at, line), 16)
    if (!(size > 0)) {
      return { statusLine, status, headers, body: Buffer.concat(parts), complete: size === 0 && rest.length === line + 4, reset }
    }
    parts.push(rest.subarray(line + 2, line + 2 + size))
    at = line + 2 + size + 2
  }
}
