// The public keys of an issuer of JWTs: fetched when they are needed, kept, and fetched again when they may have changed.
import { createLocalJWKSet, errors } from 'jose'
import type { FlattenedJWSInput, JSONWebKeySet, JWSHeaderParameters } from 'jose'
import type { Clock } from '../core/clock.ts'

/** The key that a token needs is not known, and the issuer cannot be asked now. */
export class KeysUnavailableError extends Error {
  override readonly name = 'KeysUnavailableError'
}

/** What the keys need. */
export interface JwksOptions {
  readonly clock: Pick<Clock, 'now'>
  /** Fetches the key set; rejects when there is none. */
  readonly load: () => Promise<unknown>
  /** Told when fetching begins to fail, with the reason, and when it works again. */
  readonly changed?: (problem: string | undefined) => void
}

type Find = ReturnType<typeof createLocalJWKSet>

/** Keys are fetched anew after so long; the old ones serve meanwhile, and as long as that fails. */
const maxAgeMs = 600_000
/** A token with an unknown key makes the keys be fetched, but only so often: anybody can name a key. */
const cooldownMs = 30_000
/** After a fetch that failed the next one is so much later. */
const failurePauseMs = 5000

/** Finds keys for `jwtVerify`. */
export class Jwks {
  private readonly options: JwksOptions
  private find: Find | undefined
  private triedAt = -Infinity
  private failed = false
  private pending: Promise<void> | undefined

  constructor (options: JwksOptions) {
    this.options = options
  }

  /** The key of a token. @throws KeysUnavailableError, or an error of jose's when the token's key is not among the issuer's */
  readonly key = async (header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<Awaited<ReturnType<Find>>> => {
    if (this.find === undefined) await this.refresh()
    else if (this.options.clock.now() - this.triedAt >= (this.failed ? cooldownMs : maxAgeMs)) this.refresh().catch(() => {})
    try {
      return await this.known(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      // not known is not wrong: the issuer may have a new key
      if (this.failed || this.pending !== undefined || this.options.clock.now() - this.triedAt >= cooldownMs) await this.refresh()
      return await this.known(header, token)
    }
  }

  /** Fetches the keys, unless that has just failed. @throws KeysUnavailableError */
  async refresh (): Promise<void> {
    if (this.failed && this.pending === undefined && this.options.clock.now() - this.triedAt < failurePauseMs) throw new KeysUnavailableError('the keys could not be fetched a moment ago')
    this.pending ??= this.fetch().finally(() => { this.pending = undefined })
    await this.pending
  }

  private async known (header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<Awaited<ReturnType<Find>>> {
    if (this.find === undefined) throw new KeysUnavailableError('no keys are known')
    return await this.find(header, token)
  }

  private async fetch (): Promise<void> {
    let problem: string | undefined
    let cause: unknown
    this.triedAt = this.options.clock.now()
    try {
      // jose checks its form
      this.find = createLocalJWKSet(await this.options.load() as JSONWebKeySet)
    } catch (error) {
      cause = error
      problem = error instanceof Error ? error.message : String(error)
    }
    if ((problem !== undefined) !== this.failed) this.options.changed?.(problem)
    this.failed = problem !== undefined
    if (problem !== undefined) throw new KeysUnavailableError('the keys cannot be fetched', { cause })
  }
}
