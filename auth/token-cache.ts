// Remembers what was found out about tokens, by their keyed hashes: so many of them, for so long, and good news for longer where nobody can be asked.
import type { Clock } from '../core/clock.ts'
import type { Caller } from './caller.ts'

/** Bounds of the cache; times in milliseconds. */
export interface TokenCacheLimits {
  /** How long a token counts as valid. */
  readonly ttlMs: number
  /** How long one counts as invalid. */
  readonly negativeTtlMs: number
  /** How long after `ttlMs` a valid one may be used where nobody can be asked. */
  readonly graceMs: number
  /** Valid tokens remembered, and as many invalid ones: strangers must not push callers out. */
  readonly size: number
}

interface Known {
  readonly caller: Caller
  readonly at: number
  /** When the token itself ends, whatever anybody says. */
  readonly end: number
  usedAt: number
  /** Until then it is used without asking, because asking just failed. */
  restUntil: number
}

/** A token found to be in its grace is not asked about again for so long, or every request would wait for a validator that is down. */
const restMs = 5000
/** Least recently used is told to the second: moving an entry at every use would cost more than finding it. */
const recencyMs = 1000

/** Findings by digest; the least recently used goes first. */
export class TokenCache {
  private readonly clock: Pick<Clock, 'now'>
  private readonly limits: () => TokenCacheLimits
  private readonly valid = new Map<string, Known>()
  private readonly invalid = new Map<string, number>()

  /** @param limits read anew at every use */
  constructor (clock: Pick<Clock, 'now'>, limits: () => TokenCacheLimits) {
    this.clock = clock
    this.limits = limits
  }

  /** Valid and invalid tokens remembered, those past their time included. */
  get sizes (): { valid: number, invalid: number } {
    return { valid: this.valid.size, invalid: this.invalid.size }
  }

  /** What holds now; undefined when somebody must be asked. */
  get (digest: string): Caller | 'invalid' | undefined {
    const now = this.clock.now()
    const { ttlMs, negativeTtlMs } = this.limits()
    const known = this.valid.get(digest)
    if (known === undefined) {
      const at = this.invalid.get(digest)
      return at !== undefined && now - at < negativeTtlMs ? 'invalid' : undefined
    }
    if (now >= known.end || (now - known.at >= ttlMs && now >= known.restUntil)) return undefined
    if (now - known.usedAt >= recencyMs) {
      known.usedAt = now
      this.valid.delete(digest)
      this.valid.set(digest, known)
    }
    return known.caller
  }

  /** @param lastsMs how long the token itself is good; default for ever */
  set (digest: string, finding: Caller | 'invalid', lastsMs = Infinity): void {
    const now = this.clock.now()
    this.valid.delete(digest)
    this.invalid.delete(digest)
    if (finding === 'invalid') {
      this.invalid.set(digest, now)
      this.trim(this.invalid)
    } else {
      this.valid.set(digest, { caller: finding, at: now, end: now + lastsMs, usedAt: now, restUntil: 0 })
      this.trim(this.valid)
    }
  }

  /** For a token nobody could be asked about: whose it was when somebody last could, within the grace. It then counts for a while. */
  inGrace (digest: string): Caller | undefined {
    const known = this.valid.get(digest)
    if (known === undefined) return undefined
    const now = this.clock.now()
    const { ttlMs, graceMs } = this.limits()
    const end = Math.min(known.at + ttlMs + graceMs, known.end)
    if (now >= end) return undefined
    known.restUntil = Math.min(now + restMs, end)
    return known.caller
  }

  clear (): void {
    this.valid.clear()
    this.invalid.clear()
  }

  private trim (map: Map<string, unknown>): void {
    const { size } = this.limits()
    for (const digest of map.keys()) {
      if (map.size <= size) return
      map.delete(digest)
    }
  }
}
