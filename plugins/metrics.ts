// Counts what the router does, in a Prometheus registry of its own; watches calls and workers, and nobody depends on it.
import fp from 'fastify-plugin'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fastifyMetrics from 'fastify-metrics'
import type { Registry } from 'prom-client'
import type promClient from 'prom-client'
import type { Candidates } from '../core/candidates.ts'
import type { Outcome } from '../core/outcome.ts'
import { isComplete } from '../core/reply.ts'
import { whenClosed } from '../core/reply-end.ts'
import type { Worker } from '../core/worker.ts'
import type { Call } from './call.ts'
import { CallerCounts } from './caller-counts.ts'
import { disaggregationMetrics, watchDisaggregation } from './disaggregation-metrics.ts'
import { eventMetrics, gauges } from './metric-table.ts'
import type { Count } from './tallies.ts'

/** Options of the metrics plugin. */
export interface MetricsOptions {
  /** Also the Node process's own metrics (`process_*`, `nodejs_*`). Default true. */
  processMetrics?: boolean
  /** Callers with a series of their own; all others share one called `other`. Default 100. */
  authCallerLabels?: number
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The registry of this router's metrics. */
    readonly metricsRegistry: Registry
  }
}

/** Series of one worker, bound once. */
interface WorkerSeries {
  readonly processed: Count
  /** By policy and reason. */
  readonly decisions: Map<string, Map<string, Count>>
  /** Calls as the circuit breaker judged them, those of each outcome from the first on. */
  readonly outcomes: Partial<Record<Outcome, Count>>
}

const outcomes = ['success', 'failure', 'neither'] as const
/** The moves a breaker can make. */
const breakerMoves = [['closed', 'open'], ['open', 'half_open'], ['half_open', 'open'], ['half_open', 'closed'], ['open', 'closed']] as const

/** How a request for a worker ended, as `error_type`; undefined when it ended well. */
function errorOf (request: FastifyRequest, reply: FastifyReply): string | undefined {
  // with an error of the router's own, nothing of the broken answer reached the client
  if (request.workerCall?.exchange.end === 'broken' && request.routerFailure === null) return 'stream_broken'
  if (!isComplete(reply.raw)) return 'client_gone'
  if (request.routerFailure !== null) return request.routerFailure
  return reply.raw.statusCode >= 400 ? 'backend_error' : undefined
}

const plugin: FastifyPluginAsync<MetricsOptions> = async (fastify, options) => {
  await fastify.register(fastifyMetrics.default, {
    name: 'vllmRouterPrometheus', endpoint: null, defaultMetrics: { enabled: false }, routeMetrics: { enabled: false }
  })
  const { client } = (fastify as unknown as { vllmRouterPrometheus: { client: typeof promClient } }).vllmRouterPrometheus
  const register = new client.Registry()
  if (options.processMetrics !== false) client.collectDefaultMetrics({ register })
  const metrics = eventMetrics(client, register)
  const { workers, balancer, calls } = fastify
  // the admission plugin is optional
  const admission = fastify.hasDecorator('admission') ? fastify.admission : undefined
  admission?.on('waited', milliseconds => metrics.queueWait.observe(milliseconds / 1000))
  admission?.on('refused', reason => metrics.queueRejections.labels(reason).inc())
  // so is the circuit breaker
  const breakers = fastify.hasDecorator('breakers') ? fastify.breakers : undefined
  breakers?.on('changed', (worker, to, from) => metrics.breakerTransitions.labels(worker.id, from, to).inc())
  breakers?.on('outcome', (worker, outcome) => {
    const { outcomes } = seriesOf(worker)
    const count = outcomes[outcome] ??= metrics.breakerOutcomes.labels(worker.id, outcome)
    count.inc()
  })
  /** Candidates of the roles that requests are given to, but for those of which there are none. */
  const candidates = (): Candidates[] => balancer.roles.map(role => workers.candidates(role)).filter(list => list.workers.length > 0)
  gauges(client, register, {
    * workers () {
      for (const worker of workers.list()) {
        yield {
          id: worker.id,
          ready: worker.state === 'ready',
          inFlight: worker.inFlight - worker.elsewhere,
          load: worker.load,
          indexed: balancer.policyOf(worker.role).size?.(worker),
          weight: worker.weight,
          breaker: breakers?.stateOf(worker)
        }
      }
    },
    ready: () => candidates().reduce((sum, list) => sum + list.workers.length, 0),
    minInFlight: () => candidates().reduce<number | undefined>((least, list) => Math.min(least ?? Infinity, list.minInFlight), undefined) ?? 0,
    maxInFlight: () => candidates().reduce((most, list) => Math.max(most, list.maxInFlight), 0),
    tokens: () => fastify.hasDecorator('authentication') ? fastify.authentication.remembered : { valid: 0, invalid: 0 },
    queued: () => admission?.waiting ?? 0,
    admitted: () => admission?.inFlight ?? 0,
    recorded: () => fastify.hasDecorator('traceFile') ? { written: Math.max(0, fastify.traceFile.written - 1), lost: fastify.traceFile.lost } : undefined,
    sources: () => fastify.discovery
  })
  fastify.decorate('metricsRegistry', register)
  for (const { name, registrations } of fastify.discovery) {
    registrations?.on('step', step => metrics.registrations.labels(name, step).inc())
    registrations?.on('refused', reason => metrics.registrationsRefused.labels(name, reason).inc())
  }

  const series = new Map<Worker, WorkerSeries>()
  function seriesOf (worker: Worker): WorkerSeries {
    let bound = series.get(worker)
    if (bound === undefined) {
      bound = { processed: metrics.processed.labels(worker.id), decisions: new Map(), outcomes: {} }
      series.set(worker, bound)
    }
    return bound
  }

  balancer.on('assigned', ({ worker, policy, decision: { reason } }) => {
    const bound = seriesOf(worker)
    bound.processed.inc()
    let reasons = bound.decisions.get(policy)
    if (reasons === undefined) {
      reasons = new Map()
      bound.decisions.set(policy, reasons)
    }
    let decisions = reasons.get(reason)
    if (decisions === undefined) {
      decisions = metrics.decisions.labels(policy, worker.id, reason)
      reasons.set(reason, decisions)
    }
    decisions.inc()
    if (reason === 'prefix_hit') metrics.cacheHits.inc()
    else if (reason === 'prefix_miss') metrics.cacheMisses.inc()
    else if (reason === 'imbalance') metrics.balancing.inc()
  })
  // a worker that leaves has no source any more
  const broughtBy = new WeakMap<Worker, string>()
  workers.on('added', worker => {
    const [source = 'unknown'] = worker.sources
    broughtBy.set(worker, source)
    metrics.discoveryUpdates.labels(source).inc()
  })
  workers.on('removed', worker => {
    metrics.discoveryUpdates.labels(broughtBy.get(worker) ?? 'unknown').inc()
    for (const [policy, reasons] of series.get(worker)?.decisions ?? []) for (const reason of reasons.keys()) metrics.decisions.remove(policy, worker.id, reason)
    series.delete(worker)
    metrics.processed.remove(worker.id)
    metrics.streamErrors.remove(worker.id)
    for (const outcome of outcomes) metrics.breakerOutcomes.remove(worker.id, outcome)
    for (const [from, to] of breakerMoves) metrics.breakerTransitions.remove(worker.id, from, to)
  })

  // once a request: those that another attempt was to better took no time that anybody waited for an answer
  calls.on('answered', call => {
    const { headAt, startedAt } = call.exchange
    if (call.generation && headAt !== undefined) metrics.generateDuration.observe((call.beforeMs + headAt - startedAt) / 1000)
  })
  calls.on('firstByte', call => {
    if (call.streamed && call.firstByteMs !== undefined) metrics.timeToFirstToken.observe((call.beforeMs + call.firstByteMs) / 1000)
  })
  calls.on('gap', (_call, gap) => metrics.interTokenLatency.observe(gap / 1000))
  calls.on('settled', (call: Call) => {
    const { promptTokens, cachedTokens, completionTokens } = call.usage
    // of a request in two legs each token is counted where it was computed
    if (promptTokens !== undefined && call.leg !== 'decode') metrics.promptTokens.inc(promptTokens)
    if (cachedTokens !== undefined && call.leg !== 'decode') metrics.cachedTokens.inc(cachedTokens)
    if (completionTokens !== undefined && call.leg !== 'prefill') metrics.completionTokens.inc(completionTokens)
    const { worker } = call.assignment
    // the last call of a leaving worker ends after the worker: its series must not come back
    if (call.exchange.end === 'broken' && worker.state !== 'gone') metrics.streamErrors.labels(worker.id).inc()
    if (call.overheadMs !== undefined) metrics.overhead.observe(call.overheadMs / 1000)
  })

  calls.on('retry', (call, pause, attempt) => {
    metrics.retries.labels(call.route).inc()
    metrics.retryBackoff.labels(attempt > 10 ? '10+' : String(attempt)).observe(pause / 1000)
  })
  watchDisaggregation(fastify, disaggregationMetrics(client, register))

  calls.on('exhausted', call => metrics.retriesExhausted.labels(call.route).inc())

  // authentication is optional, and comes after those who watch it: what it refuses is seen by all
  fastify.addHook('onReady', async () => {
    if (!fastify.hasDecorator('authentication')) return
    const { authentication } = fastify
    authentication.on('decided', (outcome, via) => metrics.authDecisions.labels(outcome, via).inc())
    authentication.on('graced', () => metrics.authGraces.inc())
    authentication.on('validated', (answer, milliseconds) => metrics.authValidations.labels(answer).observe(milliseconds / 1000))
  })
  const callers = new CallerCounts(metrics, options.authCallerLabels ?? 100)

  // the reply's own `close` comes exactly once however a request ends; Fastify's onResponse does not
  fastify.addHook('onRequest', (request, reply, next) => {
    const route = reply.routeOptions.config.workerRoute
    if (route === undefined) {
      next()
      return
    }
    const startedAt = performance.now()
    whenClosed(reply.raw, () => {
      const seconds = (performance.now() - startedAt) / 1000
      const error = errorOf(request, reply)
      metrics.requests.labels(route).inc()
      metrics.requestDuration.labels(route).observe(seconds)
      if (error !== undefined) metrics.requestErrors.labels(route, error).inc()
      if (request.caller !== null) callers.count(request.caller, request)
      if (route !== '/v1/embeddings') return
      metrics.embeddings.inc()
      metrics.embeddingsDuration.observe(seconds)
      if (error !== undefined) metrics.embeddingsErrors.labels(error).inc()
    })
    next()
  })
}

/** Fastify plugin: Prometheus metrics, `fastify.metricsRegistry`. */
export const metrics: FastifyPluginAsync<MetricsOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-metrics', decorators: { fastify: ['workers', 'balancer', 'calls', 'discovery'], request: ['routerFailure', 'workerCall', 'caller'] }
})
export default metrics
