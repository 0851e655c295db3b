// Who sent a request, as far as the router knows.

/** What a caller was recognised by. */
export type Via = 'key' | 'jwt' | 'validation' | 'hook'

/** Somebody who may use the router. */
export interface Caller {
  /** For logs and metrics; never a secret. */
  readonly name: string
  readonly via: Via
  /** The only models the caller may use; absent = all. */
  readonly models?: ReadonlySet<string>
}

/** Whose a token is; that it is nobody's; or that nobody could tell. */
export type Finding = Caller | 'invalid' | 'unavailable'

/** Names that may stand in a log line and a metric's label. */
const printable = /^[\x21-\x7e]{1,64}$/

/** True for a name of 1 to 64 visible ASCII characters. */
export function isCallerName (name: string): boolean {
  return printable.test(name)
}

/** The models of a list as a caller has them; undefined, all models, when `*` is one of them. */
export function allowedModels (names: readonly string[]): ReadonlySet<string> | undefined {
  return names.includes('*') ? undefined : new Set(names)
}

/** A caller; `models` undefined = all. */
export function makeCaller (name: string, via: Via, models: ReadonlySet<string> | undefined): Caller {
  return Object.freeze(models === undefined ? { name, via } : { name, via, models })
}
