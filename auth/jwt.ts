// Checks JSON Web Tokens of one issuer: signature, issuer, audience, times; and reads who the caller is and what he may use.
import { errors, jwtVerify } from 'jose'
import type { JWTPayload, JWTVerifyOptions } from 'jose'
import type { Dispatcher } from 'undici'
import type { Clock } from '../core/clock.ts'
import { allowedModels, isCallerName, makeCaller } from './caller.ts'
import { get } from './get.ts'
import { Jwks, KeysUnavailableError } from './jwks.ts'
import type { Answer } from './token-check.ts'
import { pseudonym } from './token-digest.ts'

/** What is expected of tokens, and where their keys are. */
export interface JwtOptions {
  readonly issuer: string
  /** One of them must be the token's; empty = any audience will do. */
  readonly audience: readonly string[]
  /** Undefined: `issuer`'s discovery document says it. */
  readonly jwksUrl: string | undefined
  /** Claim that lists the models a caller may use: an array, or a text with spaces between; a token without it may use none. */
  readonly modelsClaim: string | undefined
  readonly dispatcher: Dispatcher
  readonly timeoutMs: () => number
  readonly clock: Clock
  /** Milliseconds since 1970; default `Date.now`. */
  readonly wallClock?: () => number
  /** See `JwksOptions`. */
  readonly changed?: (problem: string | undefined) => void
}

/** Signatures by a key pair only: with a shared secret whoever can check tokens could make them. */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
/** Clocks of two machines may differ by so much. */
const toleranceSecs = 30
/** Key sets and discovery documents have a few kilobytes. */
const longestDocument = 1024 * 1024
/** Keys tried for a token that does not say which is its own. */
const mostKeysTried = 16

/** The tokens of one issuer. */
export class JwtIssuer {
  readonly keys: Jwks
  private readonly options: JwtOptions
  private readonly now: () => number

  constructor (options: JwtOptions) {
    this.options = options
    this.now = options.wallClock ?? Date.now
    this.keys = new Jwks({ clock: options.clock, load: () => this.load(), ...(options.changed === undefined ? {} : { changed: options.changed }) })
  }

  async ask (token: string, digest: string): Promise<Answer> {
    let payload: JWTPayload
    try {
      payload = await this.verify(token)
    } catch (error) {
      return error instanceof KeysUnavailableError ? 'unavailable' : 'invalid'
    }
    const { sub = '', exp = 0 } = payload
    const name = isCallerName(sub) ? sub : pseudonym('j', digest)
    return { caller: makeCaller(name, 'jwt', this.modelsOf(payload)), lastsMs: (exp + toleranceSecs) * 1000 - this.now() }
  }

  private async verify (token: string): Promise<JWTPayload> {
    const { issuer, audience } = this.options
    const expected: JWTVerifyOptions = {
      algorithms, issuer, clockTolerance: toleranceSecs, requiredClaims: ['exp'], currentDate: new Date(this.now()), ...(audience.length > 0 ? { audience: [...audience] } : {})
    }
    try {
      return (await jwtVerify(token, this.keys.key, expected)).payload
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
      let tried = 0
      for await (const key of error) {
        if (++tried > mostKeysTried) break
        try {
          return (await jwtVerify(token, key, expected)).payload
        } catch (other) {
          if (!(other instanceof errors.JWSSignatureVerificationFailed)) throw other
        }
      }
      throw error
    }
  }

  private modelsOf (payload: JWTPayload): ReadonlySet<string> | undefined {
    const { modelsClaim } = this.options
    if (modelsClaim === undefined) return undefined
    const claim = Object.hasOwn(payload, modelsClaim) ? payload[modelsClaim] : undefined
    const names: unknown[] = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : []
    return allowedModels(names.filter((name): name is string => typeof name === 'string' && name !== ''))
  }

  private async load (): Promise<unknown> {
    return await this.document(this.options.jwksUrl ?? await this.discover())
  }

  private async discover (): Promise<string> {
    const { issuer } = this.options
    const about = await this.document(issuer.replace(/\/$/, '') + '/.well-known/openid-configuration')
    if (typeof about !== 'object' || about === null) throw new Error('the discovery document is no object')
    if (!('issuer' in about) || about.issuer !== issuer) throw new Error('the discovery document is of another issuer')
    const url = 'jwks_uri' in about && typeof about.jwks_uri === 'string' ? about.jwks_uri : ''
    if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) throw new Error('the discovery document has no jwks_uri')
    return url
  }

  private async document (url: string): Promise<unknown> {
    const { dispatcher, timeoutMs } = this.options
    const { status, body } = await get(url, { dispatcher, headers: { accept: 'application/json' }, timeoutMs: timeoutMs(), limit: longestDocument })
    const { origin, pathname } = new URL(url)
    if (status !== 200) throw new Error(`${origin}${pathname} answered ${status}`)
    if (body === undefined) throw new Error(`${origin}${pathname} has more than ${longestDocument} bytes`)
    return JSON.parse(body.toString())
  }
}
