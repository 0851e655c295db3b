// Finds out whose a token is: by static keys, then as a JWT, then by asking validation URLs.
import { looksLikeJwt } from './bearer.ts'
import { makeCaller } from './caller.ts'
import type { Caller, Finding } from './caller.ts'
import type { KeyRing } from './key-ring.ts'
import type { TokenCheck } from './token-check.ts'
import { TokenDigest, pseudonym } from './token-digest.ts'

/** The means there are; absent ones are passed over. */
export interface Means {
  keys?: KeyRing
  jwt?: TokenCheck
  validation?: TokenCheck
}

/** Asks one means after the other until one knows the token. */
export class Authenticator {
  readonly means: Means = {}
  readonly digest = new TokenDigest()

  /** At once where the answer is known. */
  check (token: string): Finding | Promise<Finding> {
    const { keys, jwt } = this.means
    const digest = this.digest.of(token)
    const key = keys?.find(token, digest)
    if (key !== undefined) return key
    if (jwt === undefined || !looksLikeJwt(token)) return this.validate(token, digest, 'invalid')
    const found = jwt.check(token, digest)
    return found instanceof Promise ? found.then(later => this.validate(token, digest, later)) : this.validate(token, digest, found)
  }

  /** A caller of whom nothing is known but that the token is good. */
  unnamed (digest: string): Caller {
    return makeCaller(pseudonym('t', digest), 'validation', undefined)
  }

  /** @param before what was found so far */
  private validate (token: string, digest: string, before: Finding): Finding | Promise<Finding> {
    const { validation } = this.means
    if (typeof before === 'object' || validation === undefined) return before
    const found = validation.check(token, digest)
    // a "no" of some is no "no" as long as others could not say
    const together = (last: Finding): Finding => last === 'invalid' ? before : last
    return found instanceof Promise ? found.then(together) : together(found)
  }
}
