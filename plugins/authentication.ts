// The means of recognising callers, put together from options: what `fastify.authentication` is.
import { createHash } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { FastifyBaseLogger } from 'fastify'
import { Agent } from 'undici'
import { Authenticator } from '../auth/authenticator.ts'
import type { Finding, Via } from '../auth/caller.ts'
import { KeyFileError, parseKeyFile } from '../auth/key-file.ts'
import { KeyRing } from '../auth/key-ring.ts'
import { TokenCheck } from '../auth/token-check.ts'
import type { TokenCheckLimits } from '../auth/token-check.ts'
import { ValidationUrls } from '../auth/validation-urls.ts'
import type { Validation } from '../auth/validation-urls.ts'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { watchFile } from '../core/watch-file.ts'

/** Options of the auth plugin that may change while it runs. */
export interface AuthLimits {
  /** Asked in order with `GET` and the client's bearer: 200 is yes, 401 and 403 are no, anything else is a failure. Default none. */
  apiKeyValidationUrls?: readonly string[]
  /** Paths of the router that need no caller, exactly as they are written. Default `/health`, `/liveness`, `/readiness`. */
  authExemptPaths?: readonly string[]
  /** Seconds for which a valid token is not asked about again. Default 300. */
  authCacheTtlSecs?: number
  /** Seconds for which an invalid token is not asked about again. Default 10. */
  authCacheNegativeTtlSecs?: number
  /** Valid tokens remembered, and as many invalid ones. Default 10,000. */
  authCacheSize?: number
  /** Seconds for which a valid token may be used beyond its time while no validation URL can tell. Default 3600. */
  authCacheGraceSecs?: number
  /** Milliseconds for one call to a validation URL or for keys, and for an application's own `authenticate`. Default 2000. */
  authTimeoutMs?: number
  /** Tokens asked about at the same time. Default 64. */
  authMaxValidations?: number
}

/** The means of recognising callers, and their bounds. */
export interface AuthenticationOptions extends AuthLimits {
  /** File of static keys (`auth/key-file.ts`); watched for changes. */
  apiKeysFile?: string | undefined
  /** The `iss` of JWTs to be accepted. */
  jwtIssuer?: string | undefined
  /** The `aud` of JWTs must be or hold one of these. Default any. */
  jwtAudience?: readonly string[]
  /** Where the issuer's keys are. Default what its discovery document says. */
  jwksUrl?: string | undefined
  /** Claim that lists the models a caller may use. */
  jwtModelsClaim?: string | undefined
  clock?: Clock
}

/** How the question of a request's caller was decided. */
export type Outcome = 'valid' | 'missing' | 'invalid' | 'unavailable'

/** What authentication tells. */
export interface AuthEvents {
  decided: [outcome: Outcome, via: Via | 'none']
  /** A call to a validation URL ended after so many milliseconds. */
  validated: [answer: Validation, milliseconds: number]
  /** A token was let in on an old answer. */
  graced: []
}

const defaultExemptPaths = ['/health', '/liveness', '/readiness']

/** True when options hold a means of recognising callers. */
export function hasMeans ({ apiKeyValidationUrls = [], apiKeysFile, jwtIssuer }: AuthenticationOptions): boolean {
  return apiKeyValidationUrls.length > 0 || apiKeysFile !== undefined || jwtIssuer !== undefined
}

/** What the auth plugin decorates the instance with. */
export class Authentication extends EventEmitter<AuthEvents> {
  private options: AuthenticationOptions
  private exempt: ReadonlySet<string> = new Set()
  private keysHash: string | undefined
  private unwatch: (() => void) | undefined
  private readonly prefix: string
  private readonly log: FastifyBaseLogger
  private readonly agent: Agent
  private readonly authenticator = new Authenticator()
  private readonly validation: TokenCheck

  /** @param prefix path before all paths of the router */
  constructor (options: AuthenticationOptions, prefix: string, log: FastifyBaseLogger) {
    super()
    this.options = options
    this.prefix = prefix
    this.log = log
    // connections of its own: callers are checked also while those to workers are busy
    this.agent = new Agent({ connect: { timeout: this.timeoutMs } })
    const { clock = systemClock } = options
    const urls = new ValidationUrls({
      dispatcher: this.agent,
      settings: () => ({ urls: this.options.apiKeyValidationUrls ?? [], timeoutMs: this.timeoutMs }),
      called: (answer, milliseconds) => this.emit('validated', answer, milliseconds),
      changed: (url, problem) => this.tell(`the validation URL ${withoutQuery(url)}`, problem)
    })
    this.validation = new TokenCheck({
      clock,
      limits: () => this.limits((this.options.authCacheGraceSecs ?? 3600) * 1000),
      graced: () => this.emit('graced'),
      ask: async (token, digest) => {
        const answer = await urls.ask(token)
        return answer === 'valid' ? { caller: this.authenticator.unnamed(digest) } : answer
      }
    })
    this.apply()
  }

  /** Milliseconds for asking anybody. */
  get timeoutMs (): number {
    return this.options.authTimeoutMs ?? 2000
  }

  /** Tokens whose check is remembered. */
  get remembered (): { valid: number, invalid: number } {
    const all = [this.validation, this.authenticator.means.jwt].map(check => check?.cache.sizes ?? { valid: 0, invalid: 0 })
    return all.reduce((sum, sizes) => ({ valid: sum.valid + sizes.valid, invalid: sum.invalid + sizes.invalid }))
  }

  /** Reads the file of keys and watches it, and fetches an issuer's keys without waiting. @throws KeyFileError */
  async start (): Promise<void> {
    const { apiKeysFile, jwtIssuer } = this.options
    if (apiKeysFile !== undefined) {
      await this.readKeys(apiKeysFile)
      this.unwatch = watchFile(apiKeysFile, () => { void this.readKeysAgain(apiKeysFile) })
    }
    if (jwtIssuer !== undefined) await this.follow(jwtIssuer)
  }

  /**
   * Changes options while the router runs. Returns false, and changes nothing, when no means would be left: whether that opens the
   * router or locks everybody out is for a restart to say.
   */
  configure (limits: AuthLimits): boolean {
    const options = { ...this.options, ...limits }
    if (hasMeans(this.options) && !hasMeans(options)) return false
    // what others said of tokens does not hold
    if (String(options.apiKeyValidationUrls) !== String(this.options.apiKeyValidationUrls)) this.validation.cache.clear()
    this.options = options
    this.apply()
    return true
  }

  /** Whether a request's path, exactly as it was sent, needs no caller. */
  isExempt (url: string): boolean {
    const at = url.indexOf('?')
    return this.exempt.has(at === -1 ? url : url.slice(0, at))
  }

  /** Whose a token is; at once where that is known. */
  check (token: string): Finding | Promise<Finding> {
    return this.authenticator.check(token)
  }

  async close (): Promise<void> {
    this.unwatch?.()
    this.validation.dispose()
    this.authenticator.means.jwt?.dispose()
    await this.agent.destroy()
  }

  private async follow (jwtIssuer: string): Promise<void> {
    const { clock = systemClock, jwtAudience = [], jwksUrl, jwtModelsClaim } = this.options
    // a router without an issuer need not load the library for JWTs (about 40 ms)
    const { JwtIssuer } = await import('../auth/jwt.ts')
    const issuer = new JwtIssuer({
      issuer: jwtIssuer,
      audience: jwtAudience,
      jwksUrl,
      modelsClaim: jwtModelsClaim,
      dispatcher: this.agent,
      clock,
      timeoutMs: () => this.timeoutMs,
      changed: problem => this.tell(`the issuer ${jwtIssuer}`, problem)
    })
    // no grace: what a token is good for stands in it, and known keys are kept however long no new ones can be had
    this.authenticator.means.jwt = new TokenCheck({ clock, limits: () => this.limits(0), ask: (token, digest) => issuer.ask(token, digest) })
    issuer.keys.refresh().catch(() => {})
  }

  private apply (): void {
    const { authExemptPaths = defaultExemptPaths, apiKeyValidationUrls = [] } = this.options
    this.exempt = new Set(authExemptPaths.map(path => this.prefix + path))
    if (apiKeyValidationUrls.length > 0) this.authenticator.means.validation = this.validation
    else delete this.authenticator.means.validation
  }

  private limits (graceMs: number): TokenCheckLimits {
    const { authCacheTtlSecs = 300, authCacheNegativeTtlSecs = 10, authCacheSize = 10_000, authMaxValidations = 64 } = this.options
    return {
      ttlMs: authCacheTtlSecs * 1000, negativeTtlMs: authCacheNegativeTtlSecs * 1000, graceMs, size: authCacheSize, concurrent: authMaxValidations, waitMs: this.timeoutMs
    }
  }

  private async readKeys (path: string): Promise<boolean> {
    const file = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      throw new KeyFileError(`the file of API keys ${path} cannot be read (${error.code ?? 'unknown error'})`, { cause: error })
    })
    const hash = createHash('sha256').update(file).digest('hex')
    if (hash === this.keysHash) return false
    const ring = new KeyRing(parseKeyFile(file, path), this.authenticator.digest)
    this.authenticator.means.keys = ring
    this.keysHash = hash
    if (ring.size === 0) this.log.warn({ file: path }, 'the file of API keys has no key')
    return true
  }

  private async readKeysAgain (path: string): Promise<void> {
    try {
      if (await this.readKeys(path)) this.log.info({ file: path, keys: this.authenticator.means.keys?.size }, 'API keys changed')
    } catch (error) {
      this.log.error({ file: path }, `API keys not changed, the old ones stay: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  private tell (who: string, problem: string | undefined): void {
    if (problem === undefined) this.log.info(`${who} answers again`)
    else this.log.warn(`${who} fails: ${problem}`)
  }
}

function withoutQuery (url: string): string {
  const { origin, pathname } = new URL(url)
  return origin + pathname
}
