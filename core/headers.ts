// Which headers pass between client and worker, on flat arrays of names and values so that order, case and repetition stay.

/** Headers that belong to one connection (RFC 9110 §7.6.1) and those the HTTP client makes itself. */
const ofTheConnection = new Set([
  'connection', 'proxy-connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer', 'trailers',
  'transfer-encoding', 'upgrade', 'http2-settings'
])
/** The same, and those by which a server tells browsers what other origins may do: the router's to say where it says so itself. */
export const connectionAndCors: ReadonlySet<string> = new Set([
  ...ofTheConnection, 'access-control-allow-origin', 'access-control-allow-credentials', 'access-control-allow-methods',
  'access-control-allow-headers', 'access-control-allow-private-network', 'access-control-expose-headers', 'access-control-max-age'
])
const notToTheWorker = new Set([...ofTheConnection, 'host', 'content-length', 'expect', 'x-vllm-router-explain'])

/** Names listed in the `Connection` headers, which are then headers of the connection too; undefined when only the usual ones. */
function listedIn (raw: readonly string[]): Set<string> | undefined {
  let listed: Set<string> | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue
    for (const token of (raw[i + 1] ?? '').toLowerCase().split(',')) {
      const trimmed = token.trim()
      if (trimmed !== '' && trimmed !== 'close' && trimmed !== 'keep-alive') (listed ??= new Set()).add(trimmed)
    }
  }
  return listed
}

/** Headers of answers that are the router's own, and no worker's: their type is what it says, and they hold now only. */
export const ownHeaders: Readonly<Record<string, string>> = { 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' }

/** What the router itself says to a worker. */
export interface WorkerHeaders {
  /** The request's id, sent as `x-request-id`. */
  readonly requestId: string
  /** The request's id where `x-request-id` has to be another, sent as `x-correlation-id`. */
  readonly correlationId?: string | undefined
  /** The data-parallel rank the request is for; the client's own header gives way to it. */
  readonly rank: string | undefined
  /** `Authorization` for requests whose client sent none, or whose own is not forwarded. */
  readonly authorization: string | undefined
  /** The client's own `Authorization` is not forwarded: it was meant for the router. Default false. */
  readonly withoutClientAuthorization?: boolean
}

/** Headers for the worker from the client's, as a flat array. The body's length is left to the HTTP client. */
export function headersForWorker (raw: readonly string[], own: WorkerHeaders): string[] {
  const listed = listedIn(raw)
  const headers: string[] = []
  let authorized = false
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const lower = name.toLowerCase()
    if (notToTheWorker.has(lower) || listed?.has(lower) === true || lower === 'x-request-id' || lower.startsWith(':')) continue
    if (lower === 'x-data-parallel-rank' && own.rank !== undefined) continue
    if (lower === 'x-correlation-id' && own.correlationId !== undefined) continue
    if (lower === 'authorization') {
      if (own.withoutClientAuthorization === true) continue
      authorized = true
    }
    headers.push(name, raw[i + 1] ?? '')
  }
  headers.push('x-request-id', own.requestId)
  if (own.correlationId !== undefined) headers.push('x-correlation-id', own.correlationId)
  if (own.rank !== undefined) headers.push('X-data-parallel-rank', own.rank)
  if (!authorized && own.authorization !== undefined) headers.push('Authorization', own.authorization)
  // a request of HTTP/2 begins with its pseudo-headers
  if (raw[0]?.startsWith(':') === true) joinCookies(headers)
  return headers
}

/** HTTP/2 clients may cut a cookie header in pieces, which HTTP/1 has in one (RFC 9113 §8.2.3). */
function joinCookies (headers: string[]): void {
  let first = -1
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'cookie') continue
    if (first === -1) {
      first = i
      continue
    }
    headers[first + 1] = `${headers[first + 1] ?? ''}; ${headers[i + 1] ?? ''}`
    headers.splice(i, 2)
    i -= 2
  }
}

/**
 * Headers for the client from the worker's, as a flat array; the worker's own `x-request-id` gives way to the request's.
 * @param without lower-case names that are left out
 */
export function headersForClient (raw: readonly string[], without: ReadonlySet<string> = ofTheConnection): string[] {
  const listed = listedIn(raw)
  const headers: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const lower = name.toLowerCase()
    if (without.has(lower) || listed?.has(lower) === true || lower === 'x-request-id') continue
    headers.push(name, raw[i + 1] ?? '')
  }
  return headers
}

/** Flat headers with another length of the body, or with none; where none was announced they stay as they are. */
export function withContentLength (raw: readonly string[], length: number | undefined): readonly string[] {
  if (headerIn(raw, 'content-length') === undefined) return raw
  const headers: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (name.toLowerCase() !== 'content-length') headers.push(name, raw[i + 1] ?? '')
    else if (length !== undefined) headers.push(name, String(length))
  }
  return headers
}

/** Flat headers as an object by lower-case name; a repeated name keeps all its values. */
export function headerMap (flat: readonly string[]): Record<string, string | string[]> {
  // a header may have the name of something that every object has
  const map = Object.create(null) as Record<string, string | string[]>
  for (let i = 0; i < flat.length; i += 2) {
    const name = (flat[i] ?? '').toLowerCase()
    const value = flat[i + 1] ?? ''
    // whoever copies them into a plain object would set something else
    if (name === '__proto__') continue
    const known = map[name]
    if (known === undefined) map[name] = value
    else if (Array.isArray(known)) known.push(value)
    else map[name] = [known, value]
  }
  return map
}

/** A controller's raw headers as strings; header values are Latin-1 (RFC 9110 §5.5). */
export function textHeaders (raw: unknown): string[] {
  if (!Array.isArray(raw)) return []
  // ours come as text, undici's as bytes
  if (raw.length === 0 || typeof raw[0] === 'string') return raw as string[]
  return raw.map(part => Buffer.isBuffer(part) ? part.toString('latin1') : String(part))
}

const ascii = /^[\t\x20-\x7e]*$/

/** The words beside a status as Latin-1, as Node writes them; undici has read them as UTF-8. */
export function reasonOf (message = ''): string {
  return ascii.test(message) ? message : Buffer.from(message).toString('latin1').replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '')
}

/** Value of the first header of that lower-case name in a flat array. */
export function headerIn (raw: readonly string[], name: string): string | undefined {
  for (let i = 0; i < raw.length; i += 2) {
    const other = raw[i] ?? ''
    if (other.length === name.length && other.toLowerCase() === name) return raw[i + 1]
  }
  return undefined
}
