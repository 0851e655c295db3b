// Finds the bearer token among a request's headers. No regular expressions: V8 keeps the text of the last match of one.

/** True for text a token may be made of: visible ASCII without spaces, at least one character. */
export function isToken (text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x21 || code > 0x7e) return false
  }
  return text.length > 0
}

/**
 * The token of `Authorization: Bearer TOKEN` in flat headers. Undefined where there is no such header, where it says something
 * else, and where there is more than one: a worker might read another than the one that was checked.
 */
export function bearerToken (rawHeaders: readonly string[]): string | undefined {
  let value: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (name.length !== 13 || name.toLowerCase() !== 'authorization') continue
    if (value !== undefined) return undefined
    value = rawHeaders[i + 1]
  }
  if (value === undefined || value.slice(0, 7).toLowerCase() !== 'bearer ') return undefined
  const token = value.slice(7).trim()
  return isToken(token) ? token : undefined
}

/** True for three parts with dots between, as a signed JWT has them. */
export function looksLikeJwt (token: string): boolean {
  const first = token.indexOf('.')
  const second = token.indexOf('.', first + 1)
  return first > 0 && second > first + 1 && second < token.length - 1 && !token.includes('.', second + 1)
}
