// Asks about tokens as seldom as possible: findings are remembered, questions about one token are one question, and only so many are under way.
import { Admission } from '../core/admission.ts'
import type { Clock } from '../core/clock.ts'
import type { Caller, Finding } from './caller.ts'
import { TokenCache } from './token-cache.ts'
import type { TokenCacheLimits } from './token-cache.ts'

/** A token that is good, and for how long at most, in milliseconds. */
export interface Proof {
  readonly caller: Caller
  readonly lastsMs?: number
}

/** What asking brought. */
export type Answer = Proof | 'invalid' | 'unavailable'

/** Bounds of a check; times in milliseconds. */
export interface TokenCheckLimits extends TokenCacheLimits {
  /** Questions under way at the same time. */
  readonly concurrent: number
  /** Longest wait of a question for its turn. */
  readonly waitMs: number
}

/** What a check is made of. */
export interface TokenCheckOptions {
  readonly clock: Clock
  /** Asks about one token; a rejection counts as `unavailable`. */
  readonly ask: (token: string, digest: string) => Promise<Answer>
  /** Read anew at every use. */
  readonly limits: () => TokenCheckLimits
  /** Told when a token is let in on an old finding. */
  readonly graced?: () => void
}

/** Tokens that may wait to be asked about: a second's worth of new callers, and a bound on the memory a flood of made-up tokens takes. */
const mostWaiting = 1024

/** One way to find out whose a token is, with a cache before it. */
export class TokenCheck {
  readonly cache: TokenCache
  private readonly options: TokenCheckOptions
  private readonly gate: Admission
  private readonly pending = new Map<string, Promise<Finding>>()

  constructor (options: TokenCheckOptions) {
    this.options = options
    this.cache = new TokenCache(options.clock, options.limits)
    this.gate = new Admission(options.clock, () => {
      const { concurrent, waitMs } = options.limits()
      return { maxConcurrent: concurrent, queueSize: mostWaiting, queueTimeoutMs: waitMs, ratePerSecond: undefined }
    })
  }

  /** At once where the answer is known. */
  check (token: string, digest: string): Finding | Promise<Finding> {
    return this.cache.get(digest) ?? this.pending.get(digest) ?? this.begin(token, digest)
  }

  dispose (): void {
    this.gate.dispose()
  }

  private begin (token: string, digest: string): Promise<Finding> {
    const finding = this.find(token, digest).finally(() => { this.pending.delete(digest) })
    this.pending.set(digest, finding)
    return finding
  }

  private async find (token: string, digest: string): Promise<Finding> {
    const answer = await this.askInTurn(token, digest)
    if (answer === 'unavailable') {
      // not being able to ask is no "no", and is not remembered either
      const known = this.cache.inGrace(digest)
      if (known === undefined) return 'unavailable'
      this.options.graced?.()
      return known
    }
    if (answer === 'invalid') this.cache.set(digest, 'invalid')
    else this.cache.set(digest, answer.caller, answer.lastsMs)
    return answer === 'invalid' ? 'invalid' : answer.caller
  }

  private askInTurn (token: string, digest: string): Promise<Answer> {
    return new Promise(resolve => {
      const ticket = this.gate.enter(verdict => {
        if (verdict !== 'admitted') {
          resolve('unavailable')
          return
        }
        const done = (answer: Answer): void => {
          ticket.leave()
          resolve(answer)
        }
        this.options.ask(token, digest).then(done, () => done('unavailable'))
      })
    })
  }
}
