// Faults of a request's head that Node's parser lets pass, though two readers of it might not agree on what the request is.

/**
 * The fields looked at, by the length of their names, so that most are passed over without a look at the name. All but `connection` may
 * stand in a message once only: where they stand twice, some readers take the first and some the last (RFC 9110 §5.3).
 */
const byLength: ReadonlyArray<string | undefined> = ['host', 'connection', 'content-type', 'authorization', 'content-length', 'transfer-encoding']
  .reduce<Array<string | undefined>>((names, name) => names.with(name.length, name), Array.from({ length: 18 }, () => undefined))

/**
 * Fields meant for whoever reads the message, which `Connection` must not name (RFC 9110 §7.6.1): it would make them get lost on the
 * way to the worker, after the router, or a proxy before it, went by them.
 */
const ofTheMessage = new Set([
  'authorization', 'content-encoding', 'content-length', 'content-type', 'cookie', 'forwarded', 'host', 'x-api-key', 'x-correlation-id',
  'x-real-ip', 'x-request-id', 'x-session-id', 'x-tenant-id', 'x-trace-id', 'x-user-id'
])

/** A host and perhaps a port; empty is allowed (RFC 9112 §3.2). */
const hostValue = /^(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/i

/**
 * What is wrong with the head of an HTTP/1 request, in words for its client; undefined for a good one.
 * @param raw names and values in turn, as they came
 * @param minor 1 for HTTP/1.1, 0 for HTTP/1.0
 */
export function headFault (raw: readonly string[], minor: number): string | undefined {
  /** The bit of a name is its length. */
  let seen = 0
  for (let i = 0; i < raw.length; i += 2) {
    const { length } = raw[i] ?? ''
    const name = byLength[length]
    if (name === undefined || (raw[i] ?? '').toLowerCase() !== name) continue
    const value = raw[i + 1] ?? ''
    if (name === 'connection') {
      const option = misnamed(value)
      if (option !== undefined) return `Connection must not name ${option}`
      continue
    }
    if ((seen & 1 << length) !== 0) return `${name} is given twice`
    seen |= 1 << length
    if (name === 'host' && !hostValue.test(value)) return 'Host is not a host'
    // an older client cannot have meant it (RFC 9112 §6.1), and other codings would stay on the body without a word of it
    if (name === 'transfer-encoding' && (minor === 0 || value.toLowerCase() !== 'chunked')) return 'Transfer-Encoding is not understood'
  }
  return (seen & 1 << 'host'.length) === 0 && minor !== 0 ? 'Host is missing' : undefined
}

function misnamed (options: string): string | undefined {
  // nearly every `Connection` is one of these
  if (options === 'keep-alive' || options === 'close') return undefined
  return options.toLowerCase().split(',').map(option => option.trim())
    .find(option => ofTheMessage.has(option) || option.startsWith('x-forwarded-'))
}
