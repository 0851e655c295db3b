// Which headers pass between client and worker, on flat arrays of names and values so that order, case and repetition stay.

/** Headers that belong to one connection (RFC 9110 §7.6.1) and those the HTTP client makes itself. */
const ofTheConnection = new Set([
  'connection', 'proxy-connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer', 'trailers',
  'transfer-encoding', 'upgrade', 'http2-settings'
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

/** What the router itself says to a worker. */
export interface WorkerHeaders {
  /** The request's id, sent as `x-request-id`. */
  readonly requestId: string
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
    if (lower === 'authorization') {
      if (own.withoutClientAuthorization === true) continue
      authorized = true
    }
    headers.push(name, raw[i + 1] ?? '')
  }
  headers.push('x-request-id', own.requestId)
  if (own.rank !== undefined) headers.push('X-data-parallel-rank', own.rank)
  if (!authorized && own.authorization !== undefined) headers.push('Authorization', own.authorization)
  return headers
}

/** Headers for the client from the worker's, as a flat array; the worker's own `x-request-id` gives way to the request's. */
export function headersForClient (raw: readonly string[]): string[] {
  const listed = listedIn(raw)
  const headers: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const lower = name.toLowerCase()
    if (ofTheConnection.has(lower) || listed?.has(lower) === true || lower === 'x-request-id') continue
    headers.push(name, raw[i + 1] ?? '')
  }
  return headers
}

/** Undici's raw headers as strings; header values are Latin-1 (RFC 9110 §5.5). */
export function textHeaders (raw: unknown): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map(part => Buffer.isBuffer(part) ? part.toString('latin1') : String(part))
}

/** Value of the first header of that lower-case name in a flat array. */
export function headerIn (raw: readonly string[], name: string): string | undefined {
  for (let i = 0; i < raw.length; i += 2) {
    const other = raw[i] ?? ''
    if (other.length === name.length && other.toLowerCase() === name) return raw[i + 1]
  }
  return undefined
}
