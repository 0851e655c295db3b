// Applies changed options to a router that runs: no request is dropped, and what cannot change is named.
import type { FastifyInstance } from 'fastify'
import { poolSpecs, staticSpecs } from '../discovery/static.ts'
import type { StaticSource } from '../discovery/static.ts'
import { routerSpecs } from '../options.ts'
import type { RouterOptions } from '../options.ts'
import { camelCase, flagName } from '../options/spec.ts'
import { createPolicy } from '../policies/index.ts'

type Key = keyof RouterOptions

/** One thing that may change: the options it hangs on, and how they are applied; false where the router lacks the part. */
interface Part {
  readonly keys: readonly Key[]
  readonly apply: (router: FastifyInstance, options: RouterOptions) => unknown
}

/** What a part can do; it may be absent. */
interface Configurable {
  /** False: the change cannot be made while the router runs. */
  configure (options: Partial<RouterOptions>): boolean | void
}

function pick (options: RouterOptions, keys: readonly Key[]): Partial<RouterOptions> {
  return Object.fromEntries(keys.map(key => [key, options[key]]))
}

/** A part that is a decorator with `configure`. */
function decorator (name: string, ...keys: Key[]): Part {
  return {
    keys,
    apply (router, options) {
      if (!router.hasDecorator(name)) return false
      const part: Configurable = router.getDecorator(name)
      return part.configure(pick(options, keys)) !== false
    }
  }
}

const parts: readonly Part[] = [
  {
    keys: ['workerUrls', 'intraNodeDataParallelSize', 'prefill', 'decode', 'prefillDataParallelSize', 'decodeDataParallelSize'],
    apply (router, options) {
      const { workerUrls, intraNodeDataParallelSize, prefillDataParallelSize, decodeDataParallelSize } = options
      const source = router.discovery.find((one): one is StaticSource => one.name === 'static' && 'restate' in one)
      source?.restate(router.hasDecorator('disaggregation') ? poolSpecs(options) : staticSpecs(workerUrls, intraNodeDataParallelSize))
      router.manualWorkers.configure({ intraNodeDataParallelSize, prefillDataParallelSize, decodeDataParallelSize })
      return source !== undefined
    }
  },
  {
    keys: ['policy', 'prefillPolicy', 'decodePolicy', 'cacheThreshold', 'balanceAbsThreshold', 'balanceRelThreshold', 'maxTreeSize', 'maxIndexEntries',
      'sessionHeaders', 'hashBalanceFactor', 'sessionTtlSecs', 'maxSessions'],
    apply (router, options) {
      const names = { regular: options.policy, prefill: options.prefillPolicy ?? options.policy, decode: options.decodePolicy ?? options.policy }
      for (const role of router.balancer.roles) {
        router.balancer.setPolicy(createPolicy(names[role], options, { now: () => performance.now(), random: Math.random }), role)
      }
    }
  },
  decorator('admission', 'maxConcurrentRequests', 'maxConcurrentRequestsPerWorker', 'queueSize', 'queueTimeoutSecs', 'rateLimitTokensPerSecond'),
  decorator('retries', 'disableRetries', 'retryMaxRetries', 'retryInitialBackoffMs', 'retryMaxBackoffMs', 'retryBackoffMultiplier',
    'retryJitterFactor', 'retryBudgetPercent', 'retryBudgetMinPerSecond'),
  decorator('breakers', 'disableCircuitBreaker', 'cbFailureThreshold', 'cbSuccessThreshold', 'cbTimeoutDurationSecs', 'cbWindowDurationSecs',
    'cbHalfOpenRequests', 'panicMode'),
  decorator('outliers', 'disableOutlierDetection', 'outlierMaxPercent'),
  decorator('forwarding', 'allowClientKvTransferParams', 'requestTimeoutSecs', 'firstByteTimeoutSecs', 'forwardAuthorization', 'explainDecisions'),
  decorator('decisions', 'decisionRingSize'),
  decorator('disaggregation', 'pdMinUncachedTokens', 'pdMaxPrefillBacklog', 'disableDecodeFallback'),
  decorator('authentication', 'apiKeyValidationUrls', 'authExemptPaths', 'authCacheTtlSecs', 'authCacheNegativeTtlSecs', 'authCacheGraceSecs',
    'authCacheSize', 'authTimeoutMs', 'authMaxValidations'),
  decorator('bodyTimeout', 'clientBodyIdleTimeoutSecs'),
  decorator('upstream', 'apiKey', 'apiKeyFile', 'workerCa', 'workerClientCert', 'workerClientKey', 'workerTlsInsecure'),
  decorator('adminAccess', 'adminApiKey'),
  decorator('corsPolicy', 'corsAllowedOrigins')
]

/** Options that `applyOptions` can change while the router runs. */
export const reloadable: readonly Key[] = parts.flatMap(({ keys }) => keys)

/** What became of a change of options, by their names as flags. */
export interface Applied {
  readonly changed: readonly string[]
  /** Changed options that hold from the next start on only. */
  readonly ignored: readonly string[]
}

/** Options whose values differ. */
export function changedKeys (before: RouterOptions, after: RouterOptions): Key[] {
  return (Object.keys(after) as Key[]).filter(key => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
}

function flagsOf (keys: readonly Key[]): string[] {
  return routerSpecs.filter(spec => keys.some(key => camelCase(spec.name) === key)).map(spec => flagName(spec.name))
}

/**
 * Applies what changed between two sets of options.
 * @param router the router's own scope, as `extend` gives it
 * @param elsewhere options that somebody else applies
 */
export function applyOptions (router: FastifyInstance, before: RouterOptions, after: RouterOptions, elsewhere: readonly Key[] = []): Applied {
  const changed = changedKeys(before, after)
  const applied = new Set<Key>(elsewhere)
  for (const { keys, apply } of parts) {
    if (changed.some(key => keys.includes(key)) && apply(router, after) !== false) for (const key of keys) applied.add(key)
  }
  return { changed: flagsOf(changed.filter(key => applied.has(key))), ignored: flagsOf(changed.filter(key => !applied.has(key))) }
}
