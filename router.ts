// The router as one Fastify plugin: registers the concerns in their order and the routes over them. Adds nothing of its own.
import { readFileSync } from 'node:fs'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyPluginAsync, RegisterOptions } from 'fastify'
import { systemClock } from './core/clock.ts'
import type { Registry } from 'prom-client'
import type { DiscoverySource } from './discovery/discovery.ts'
import { kubernetesSource } from './discovery/kubernetes.ts'
import { learnedRanks } from './discovery/learned-ranks.ts'
import { P2pNcclSource } from './discovery/p2p-nccl.ts'
import { poolSpecs, staticSource, staticSpecs } from './discovery/static.ts'
import { OptionsError, resolveOptions } from './options.ts'
import type { RouterOptions } from './options.ts'
import accessLog from './plugins/access-log.ts'
import adminAccess from './plugins/admin-access.ts'
import adminListener from './plugins/admin-listener.ts'
import type { AdminListenerOptions } from './plugins/admin-listener.ts'
import admission from './plugins/admission.ts'
import auth from './plugins/auth.ts'
import type { AuthOptions } from './plugins/auth.ts'
import { hasMeans } from './plugins/authentication.ts'
import bodyTimeout from './plugins/body-timeout.ts'
import caller from './plugins/caller.ts'
import circuitBreaker from './plugins/circuit-breaker.ts'
import crossOrigin from './plugins/cors.ts'
import decisions from './plugins/decisions.ts'
import disaggregation from './plugins/disaggregation.ts'
import discovery from './plugins/discovery.ts'
import drain from './plugins/drain.ts'
import errors from './plugins/errors.ts'
import forward from './plugins/forward.ts'
import health from './plugins/health.ts'
import http2 from './plugins/http2.ts'
import loadBalancer from './plugins/load-balancer.ts'
import manualWorkers from './plugins/manual-workers.ts'
import metricsListener from './plugins/metrics-listener.ts'
import metrics from './plugins/metrics.ts'
import openApi from './plugins/openapi.ts'
import outlierDetection from './plugins/outlier-detection.ts'
import rawBody from './plugins/raw-body.ts'
import recordTrace from './plugins/record-trace.ts'
import retry from './plugins/retry.ts'
import requestId from './plugins/request-id.ts'
import strictRequests from './plugins/strict-requests.ts'
import upstream from './plugins/upstream.ts'
import workers from './plugins/workers.ts'
import type { Policy } from './policies/policy.ts'
import adminRoutes from './routes/admin.ts'
import decisionRoutes from './routes/decisions.ts'
import modelRoutes from './routes/models.ts'
import openAiRoutes from './routes/openai.ts'
import { closeOwnPaths, openPreflights } from './routes/own-methods.ts'
import passthroughRoutes from './routes/passthrough.ts'
import probeRoutes from './routes/probes.ts'
import responseRoutes from './routes/responses.ts'

export type { Authenticate, StatedCaller } from './plugins/auth.ts'
export type { Caller } from './plugins/caller.ts'
export type { DiscoverySource } from './discovery/discovery.ts'
export type { Decision, Policy, PolicyContext, Reason, Routing } from './policies/policy.ts'
export type { Role, Worker, WorkerSpec, WorkerState } from './core/worker.ts'
export { OptionFileError } from './core/option-file.ts'
export { OptionsError, defaultOptions, resolveOptions } from './options.ts'
export type { RouterOptions } from './options.ts'

/** Options that mean something to the server only; in an application its own code decides these. */
export type ServerOnly = 'host' | 'port' | 'tlsCert' | 'tlsKey' | 'tlsClientCa' | 'processes' | 'disableHttp2' | 'trustProxy' | 'logLevel' | 'logDir' | 'simulatedWorkers' | 'drainDelaySecs' | 'drainTimeoutSecs' | 'clientHeaderTimeoutSecs' | 'backend'

/** Options of the plugin: any of the server's, by their camelCase names, and those that only make sense in code. */
export interface VllmRouterOptions extends Partial<Omit<RouterOptions, ServerOnly | 'policy' | 'prefillPolicy' | 'decodePolicy' | 'workerUrls'>> {
  /** Name of a policy, or one of your own. Default `cache_aware`. */
  policy?: RouterOptions['policy'] | Policy
  /** The same for prefill and for decode workers. Default `policy`. */
  prefillPolicy?: RouterOptions['policy'] | Policy | undefined
  decodePolicy?: RouterOptions['policy'] | Policy | undefined
  /** Base URLs of workers. Default none. */
  workerUrls?: readonly string[]
  /** Further sources of workers, beside `workerUrls`. */
  sources?: readonly DiscoverySource[]
  /** Recognises callers in a way of your own, before all other means. Default none. */
  authenticate?: AuthOptions['authenticate']
  /**
   * The fleet is looked after elsewhere, which states its workers and their states to `fastify.workers`: these sources are named where
   * sources are shown, and nobody is asked for workers or for their health. Default: the router looks after it.
   */
  followed?: readonly DiscoverySource[]
  /** Serve metrics on `prometheusHost:prometheusPort`, the router's own or others. The server does; default false. */
  metricsListener?: boolean | Pick<Registry, 'contentType' | 'metrics'>
  /** Serve metrics under this path of the application. Default nowhere. */
  metricsPath?: string
  /** Makes the server of the admin listener, where `adminPort` asks for one. Default a plain `http.Server`. */
  createAdminServer?: AdminListenerOptions['createAdminServer']
  /** Let pages of other origins use the router, as `corsAllowedOrigins` says: any where it is empty. The server does; default: where it is not empty. */
  cors?: boolean
  /** Forward every path that is not the router's own; else only those named in `routes/`: others are a 404, under a prefix the router's, else the application's own. Default true. */
  forwardUnknownPaths?: boolean
  /** Called inside the router's own scope, after its plugins and before its routes: for hooks, further routes, or to watch `calls`. */
  extend?: (router: FastifyInstance) => void | Promise<void>
}

/** Version of this package. */
export const version: string = JSON.parse(readFileSync(new URL(import.meta.url.endsWith('.ts') ? './package.json' : '../package.json', import.meta.url), 'utf8')).version

function pick<Key extends keyof RouterOptions> (options: RouterOptions, ...keys: Key[]): Pick<RouterOptions, Key> {
  return Object.fromEntries(keys.map(key => [key, options[key]])) as Pick<RouterOptions, Key>
}

/** Policies given by name; those given as objects are looked at. */
function named (policies: Readonly<Record<string, string | Policy | undefined>>): Partial<RouterOptions> {
  const names: Record<string, string> = {}
  for (const [key, policy] of Object.entries(policies)) {
    if (typeof policy === 'string') names[key] = policy
    else if (policy !== undefined && typeof policy.pick !== 'function') throw new OptionsError(`${key} takes a name or an object with a method pick`)
  }
  return names
}

const kubernetesKeys = [
  'serviceDiscoveryMode', 'selector', 'prefillSelector', 'decodeSelector', 'serviceDiscoveryNamespace', 'serviceDiscoveryPort', 'serviceName',
  'serviceDiscoveryResyncSecs', 'intraNodeDataParallelSize'
] as const

const router: FastifyPluginAsync<VllmRouterOptions> = async (fastify, given) => {
  const {
    policy = 'cache_aware', prefillPolicy, decodePolicy, sources = [], followed, authenticate, metricsListener: listens = false, metricsPath, forwardUnknownPaths = true, extend,
    createAdminServer, cors: anyOrigin = false,
    // Fastify's own options of `register`, which it hands on
    prefix: _prefix, logLevel: _logLevel, logSerializers: _logSerializers,
    ...rest
  }: VllmRouterOptions & RegisterOptions = given
  // which port the application listens on is not known here
  const options = resolveOptions({ port: 0, ...rest, ...named({ policy, prefillPolicy, decodePolicy }) })
  if (authenticate !== undefined && typeof authenticate !== 'function') throw new OptionsError('authenticate takes a function')
  if (metricsPath !== undefined && !metricsPath.startsWith('/')) throw new OptionsError(`metricsPath takes a path that starts with /, not ${JSON.stringify(metricsPath)}`)
  const splits = options.vllmPdDisaggregation
  const learning = {
    engines: (url: string) => fastify.upstream.client.engines(url),
    fallback: options.intraNodeDataParallelSize,
    sizes: { prefill: options.prefillDataParallelSize, decode: options.decodeDataParallelSize },
    clock: systemClock
  }
  const listed = splits
    ? learnedRanks(staticSource(poolSpecs(options)), { ...learning, stated: () => fastify.workers.specs('static') })
    : staticSource(staticSpecs(options.workerUrls, options.intraNodeDataParallelSize))
  const announced = options.vllmDiscoveryAddress === undefined
    ? []
    : [new P2pNcclSource({
        address: options.vllmDiscoveryAddress,
        maxWorkers: options.vllmDiscoveryMaxWorkers,
        allow: options.vllmDiscoveryAllow,
        ranks: {
          prefill: options.prefillDataParallelSize ?? options.intraNodeDataParallelSize,
          decode: options.decodeDataParallelSize ?? options.intraNodeDataParallelSize
        },
        log: fastify.log
      })]
  const found = options.serviceDiscovery
    ? splits
      // a pod that does not say how many ranks it has is asked
      ? [learnedRanks(kubernetesSource({ ...pick(options, ...kubernetesKeys), intraNodeDataParallelSize: 1, log: fastify.log }), learning)]
      : [kubernetesSource({ ...pick(options, ...kubernetesKeys), log: fastify.log })]
    : []
  const discovered = [...announced, ...found, ...sources]

  // each plugin gets its own options and no others: `register` itself reads some names, such as `logLevel`
  await fastify.register(requestId, pick(options, 'requestIdHeaders'))
  await fastify.register(errors)
  await fastify.register(http2)
  const crossesOrigins = anyOrigin || options.corsAllowedOrigins.length > 0
  if (crossesOrigins) await fastify.register(crossOrigin, pick(options, 'corsAllowedOrigins'))
  if (options.adminPort !== undefined) await fastify.register(adminListener, { adminPort: options.adminPort, adminHost: options.adminHost, createAdminServer })
  await fastify.register(adminAccess, pick(options, 'adminApiKey'))
  await fastify.register(caller)
  await fastify.register(rawBody, pick(options, 'maxPayloadSize'))
  await fastify.register(bodyTimeout, pick(options, 'clientBodyIdleTimeoutSecs'))
  await fastify.register(drain)
  await fastify.register(workers, { quiet: followed !== undefined })
  await fastify.register(discovery, { sources: followed ?? [listed, ...discovered] })
  await fastify.register(manualWorkers, {
    ...pick(options, 'intraNodeDataParallelSize', 'prefillDataParallelSize', 'decodeDataParallelSize'), roles: splits ? ['prefill', 'decode'] : ['regular']
  })
  await fastify.register(loadBalancer, {
    policy,
    prefillPolicy,
    decodePolicy,
    ...pick(options, 'cacheThreshold', 'balanceAbsThreshold', 'balanceRelThreshold', 'maxTreeSize', 'maxIndexEntries',
      'sessionHeaders', 'hashBalanceFactor', 'sessionTtlSecs', 'maxSessions')
  })
  await fastify.register(upstream, pick(options,
    'apiKey', 'apiKeyFile', 'workerCa', 'workerClientCert', 'workerClientKey', 'workerTlsInsecure', 'connectTimeoutSecs', 'poolIdleTimeoutSecs', 'idleTimeoutSecs',
    'healthCheckEndpoint', 'healthCheckTimeoutSecs'))
  if (followed === undefined) {
    await fastify.register(health, pick(options,
      'healthFailureThreshold', 'healthSuccessThreshold', 'healthCheckIntervalSecs', 'workerStartupCheckInterval',
      'workerStartupTimeoutSecs', 'loadScrapeIntervalSecs'))
  }
  await fastify.register(forward, pick(options,
    'allowClientKvTransferParams', 'responseAffinitySize', 'requestTimeoutSecs', 'firstByteTimeoutSecs', 'forwardAuthorization', 'explainDecisions'))
  await fastify.register(decisions, pick(options, 'decisionRingSize'))
  if (splits) {
    await fastify.register(disaggregation, {
      ...pick(options, 'pdMinUncachedTokens', 'pdMaxPrefillBacklog', 'disableDecodeFallback', 'maxTreeSize', 'maxIndexEntries'),
      kvConnector: options.kvConnector ?? (discovered.length > 0 ? 'auto' : 'nixl')
    })
  }
  await fastify.register(retry, pick(options,
    'disableRetries', 'retryMaxRetries', 'retryInitialBackoffMs', 'retryMaxBackoffMs', 'retryBackoffMultiplier', 'retryJitterFactor',
    'retryBudgetPercent', 'retryBudgetMinPerSecond'))
  await fastify.register(circuitBreaker, pick(options,
    'disableCircuitBreaker', 'cbFailureThreshold', 'cbSuccessThreshold', 'cbTimeoutDurationSecs', 'cbWindowDurationSecs',
    'cbHalfOpenRequests', 'panicMode'))
  await fastify.register(outlierDetection, pick(options, 'disableOutlierDetection', 'outlierMaxPercent'))
  await fastify.register(admission, pick(options,
    'maxConcurrentRequests', 'maxConcurrentRequestsPerWorker', 'queueSize', 'queueTimeoutSecs', 'rateLimitTokensPerSecond'))
  // before the metrics, which count what it loses
  if (options.recordTrace !== undefined) await fastify.register(recordTrace, { recordTrace: options.recordTrace, ...pick(options, 'recordTraceMaxMb', 'sessionHeaders') })
  await fastify.register(metrics, pick(options, 'authCallerLabels'))
  if (listens !== false) {
    await fastify.register(metricsListener, { ...pick(options, 'prometheusHost', 'prometheusPort'), source: listens === true ? undefined : listens })
  }
  if (options.accessLog) await fastify.register(accessLog)
  // after those that watch requests, so that they see what is refused, and before admission, which stands on the routes
  await fastify.register(strictRequests)
  if (authenticate !== undefined || hasMeans(options)) {
    await fastify.register(auth, {
      authenticate,
      ...pick(options, 'apiKeyValidationUrls', 'apiKeysFile', 'jwtIssuer', 'jwtAudience', 'jwksUrl', 'jwtModelsClaim', 'authExemptPaths', 'authCacheTtlSecs',
        'authCacheNegativeTtlSecs', 'authCacheGraceSecs', 'authCacheSize', 'authTimeoutMs', 'authMaxValidations')
    })
  }
  await fastify.register(openApi, { version, ...pick(options, 'swaggerUi') })
  await extend?.(fastify)

  const closePaths = closeOwnPaths(fastify)
  await fastify.register(probeRoutes)
  await fastify.register(adminRoutes, { version })
  await fastify.register(decisionRoutes)
  closePaths()
  const answerPreflights = crossesOrigins && !forwardUnknownPaths ? openPreflights(fastify) : undefined
  await fastify.register(modelRoutes)
  await fastify.register(openAiRoutes)
  await fastify.register(responseRoutes)
  await fastify.register(passthroughRoutes, { unknown: forwardUnknownPaths })
  answerPreflights?.()
  if (metricsPath !== undefined) {
    fastify.get(metricsPath, { schema: { hide: true } }, async (_request, reply) => {
      return await reply.type(fastify.metricsRegistry.contentType).send(await fastify.metricsRegistry.metrics())
    })
  }
}

/** Fastify plugin: the whole router, in a scope of its own; may be registered several times, each under its prefix. */
export const vllmRouter: FastifyPluginAsync<VllmRouterOptions> = fp(router, { fastify: '5.x', name: 'fastify-vllm-router', encapsulate: true })
export default vllmRouter
