// What a request's target says, and what other software might take it for (RFC 9112 §3.2, RFC 3986 §6.2.2).

/** Characters of a URI's authority, `userinfo@` left out: RFC 9110 §4.2.4 calls that an error in a request. */
const absolute = /^https?:\/\/(?:\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d*)?(?=[/?]|$)/i

/**
 * Path and query of a target: of an origin-form (`/path?query`) itself, of an absolute-form (`http://host/path?query`) what follows
 * the host. Undefined for what is neither (`*`, `host:port`, other schemes) and for a target that goes on behind a `#`.
 */
export function originForm (target: string): string | undefined {
  const path = target.startsWith('/') ? target : fromAbsolute(target)
  if (path === undefined) return undefined
  const fragment = path.indexOf('#')
  const query = path.indexOf('?')
  return fragment !== -1 && (query === -1 || fragment < query) ? undefined : path
}

function fromAbsolute (target: string): string | undefined {
  const authority = absolute.exec(target)?.[0]
  if (authority === undefined) return undefined
  const rest = target.slice(authority.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** A path that everybody reads alike, as nearly all are: no escapes, no empty or dotted segment, no backslash. */
const plain = /^(?:\/(?!\.{1,2}(?:\/|$))[^/%\\]+)*\/?$/

export function isPlainPath (path: string): boolean {
  return plain.test(path)
}

const dotted = /(?:^|\/)\.{1,2}(?=\/|$)/
// eslint-disable-next-line no-control-regex -- they are what is looked for
const control = /[\0-\x1f\x7f]/

/**
 * What a path is for software that decodes its escapes, takes `\` for `/` and many slashes for one. Undefined where such software
 * would go up or stay at a dot (`..`, `.`), where a control character hides in an escape, or where an escape is none.
 */
export function loosePath (path: string): string | undefined {
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    return undefined
  }
  const loose = decoded.replaceAll(/[/\\]+/g, '/')
  return dotted.test(loose) || control.test(loose) ? undefined : loose
}
