// Writes a request: its head as one text, and with it the body, in one write where that is small.
import { errors } from 'undici'
import type { Socket } from 'node:net'

/** Nothing else: the router has every body whole before it asks anybody. */
export type RequestBody = Buffer | null

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const badValue = /[^\t\x20-\x7e\x80-\xff]/
const badPath = /[^\x21-\x7e\x80-\xff]/
/** Fields that are this client's to make, by the lengths of their names. */
const own = new Set(['connection', 'content-length', 'expect', 'host', 'keep-alive', 'transfer-encoding', 'upgrade'])
const ownLengths = new Set(Array.from(own, name => name.length))
/** A request with one of these is expected to have a body: it says so where it has none. */
const withBody = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])
/** Up to so many bytes Node writes a text without an allocation of its own. */
const oneWrite = 16_384

/** True for a method whose requests have a body as a rule; others are not followed by a second request on their connection where they have one. */
export function expectsBody (method: string): boolean {
  return withBody.has(method)
}

/**
 * The lines of a request's head after `Host` and `Connection`, without those about its body.
 * @param headers names and values in turn
 * @throws InvalidArgumentError where a name or value would not be one any more on the wire
 */
export function fieldLines (headers: unknown): string {
  if (headers === undefined || headers === null) return ''
  if (!Array.isArray(headers) || headers.length % 2 !== 0) throw new errors.InvalidArgumentError('headers must be a flat array')
  const fields = headers as readonly unknown[]
  let lines = ''
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]
    const value = fields[i + 1]
    if (typeof name !== 'string' || !token.test(name)) throw new errors.InvalidArgumentError('invalid header name')
    if (typeof value !== 'string' || badValue.test(value)) throw new errors.InvalidArgumentError(`invalid ${name} header`)
    if (ownLengths.has(name.length) && own.has(name.toLowerCase())) throw new errors.InvalidArgumentError(`invalid ${name} header`)
    lines += `${name}: ${value}\r\n`
  }
  return lines
}

/** The request line. @throws InvalidArgumentError */
export function requestLine (method: unknown, path: unknown): string {
  if (typeof method !== 'string' || !token.test(method) || method === 'CONNECT') throw new errors.InvalidArgumentError('invalid request method')
  if (typeof path !== 'string' || !path.startsWith('/') || badPath.test(path)) throw new errors.InvalidArgumentError('invalid request path')
  return `${method} ${path} HTTP/1.1\r\n`
}

/** The body as it may be. @throws InvalidArgumentError for anything but bytes or nothing */
export function bodyOf (body: unknown): RequestBody {
  if (body === undefined || body === null) return null
  if (!Buffer.isBuffer(body)) throw new errors.InvalidArgumentError('the body must be a Buffer or null')
  return body.length === 0 ? null : body
}

/** Sends a request. `head` is all of its head but the length of the body. */
export function writeRequest (socket: Socket, head: string, method: string, body: RequestBody): void {
  if (body === null) {
    socket.write(expectsBody(method) ? `${head}content-length: 0\r\n\r\n` : `${head}\r\n`, 'latin1')
    return
  }
  const whole = `${head}content-length: ${body.length}\r\n\r\n`
  if (whole.length + body.length <= oneWrite) {
    socket.write(whole + body.toString('latin1'), 'latin1')
    return
  }
  socket.cork()
  socket.write(whole, 'latin1')
  socket.write(body)
  socket.uncork()
}
