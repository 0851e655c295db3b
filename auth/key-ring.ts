// Finds whose a static key is: in constant time for keys given as they are, with one hash for each salt for an unknown one.
import type { Caller } from './caller.ts'
import { makeCaller } from './caller.ts'
import { saltedHash } from './key-file.ts'
import type { KeyLine } from './key-file.ts'
import { pseudonym } from './token-digest.ts'
import type { TokenDigest } from './token-digest.ts'

/** Unknown tokens remembered, so that a token that is no static key but good otherwise is not hashed at every request. */
const mostStrangers = 10_000

/**
 * The keys of one file. What is looked up are keyed hashes of what came and of what is known (`TokenDigest`): how long a look-up
 * takes says nothing of a key. The keys themselves are not kept.
 */
export class KeyRing {
  /** How many keys there are. */
  readonly size: number
  private readonly digest: TokenDigest
  /** By the digest of the key; those of hashed keys come when somebody has shown them. */
  private readonly known = new Map<string, Caller>()
  /** By the digest of the hash. */
  private readonly hashed = new Map<string, Caller>()
  private readonly salts: readonly string[]
  private readonly strangers = new Set<string>()

  constructor (lines: readonly KeyLine[], digest: TokenDigest) {
    this.digest = digest
    this.size = lines.length
    const salts = new Set<string>()
    for (const { secret, name, models } of lines) {
      const own = digest.of(typeof secret === 'string' ? secret : secret.hash)
      const caller = makeCaller(name ?? pseudonym('k', own), 'key', models)
      if (typeof secret === 'string') this.known.set(own, caller)
      else {
        this.hashed.set(own, caller)
        salts.add(secret.salt)
      }
    }
    this.salts = [...salts]
  }

  /** Whose key the token is; `tokenDigest` is its digest. */
  find (token: string, tokenDigest: string): Caller | undefined {
    const known = this.known.get(tokenDigest)
    if (known !== undefined || this.salts.length === 0 || this.strangers.has(tokenDigest)) return known
    for (const salt of this.salts) {
      const caller = this.hashed.get(this.digest.of(saltedHash(salt, token)))
      if (caller === undefined) continue
      this.known.set(tokenDigest, caller)
      return caller
    }
    this.remember(tokenDigest)
    return undefined
  }

  private remember (stranger: string): void {
    this.strangers.add(stranger)
    if (this.strangers.size <= mostStrangers) return
    const oldest = this.strangers.values().next()
    if (oldest.done !== true) this.strangers.delete(oldest.value)
  }
}
