// Faults of a request's head that Node's parser lets pass, though two readers of it might not agree on what the request is.

/** Fields that a message has once: where they stand twice, some readers take the first and some the last (RFC 9110 §5.3). */
const single = new Map([['host', 4], ['content-type', 12], ['authorization', 13], ['content-length', 14], ['transfer-encoding', 17]])
const singleLengths = new Set(single.values())

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
  let seen: Set<string> | undefined
  let hosted = false
  for (let i = 0; i < raw.length; i += 2) {
    const { length } = raw[i] ?? ''
    if (length !== 10 && !singleLengths.has(length)) continue
    const name = (raw[i] ?? '').toLowerCase()
    const value = raw[i + 1] ?? ''
    if (name === 'connection') {
      const option = misnamed(value)
      if (option !== undefined) return `Connection must not name ${option}`
    } else if (single.has(name)) {
      seen ??= new Set()
      if (seen.has(name)) return `${name} is given twice`
      seen.add(name)
      if (name === 'host') {
        hosted = true
        if (!hostValue.test(value)) return 'Host is not a host'
      } else if (name === 'transfer-encoding') {
        // an older client cannot have meant it (RFC 9112 §6.1), and other codings would stay on the body without a word of it
        if (minor === 0 || value.toLowerCase() !== 'chunked') return 'Transfer-Encoding is not understood'
      }
    }
  }
  return hosted || minor === 0 ? undefined : 'Host is missing'
}

function misnamed (options: string): string | undefined {
  // nearly every `Connection` is one of these
  if (options === 'keep-alive' || options === 'close') return undefined
  return options.toLowerCase().split(',').map(option => option.trim())
    .find(option => ofTheMessage.has(option) || option.startsWith('x-forwarded-'))
}
