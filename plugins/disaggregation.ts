// Splits requests into a prefill and a decode leg on workers of their own: what `forward` asks for a delivery that does.
import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { UnsplittableError } from '../core/errors.ts'
import { failureKind } from '../core/failure.ts'
import { outcomeOf } from '../core/outcome.ts'
import type { WorkerRegistry } from '../core/registry.ts'
import type { Worker } from '../core/worker.ts'
import { PromptBacklog } from '../disaggregation/backlog.ts'
import { connectorOf, movesEverySequence, planFor, servesAlone } from '../disaggregation/index.ts'
import type { ConnectorChoice, PlanContext, PushIdentity } from '../disaggregation/index.ts'
import { canSplit, pairedPaths, splitPaths } from '../disaggregation/legs.ts'
import { bootstrapAddress } from '../disaggregation/mooncake.ts'
import { pushIdentity } from '../disaggregation/nixl.ts'
import { splitDefaults } from '../disaggregation/split-rule.ts'
import { UncachedEstimate } from '../disaggregation/uncached.ts'
import { BootstrapDirectory } from '../discovery/bootstrap.ts'
import type { PrefixChain } from '../policies/policy.ts'
import { cacheAwareDefaults, PrefixIndex } from '../policies/index.ts'
import { DisaggregatedDelivery } from './disaggregated-delivery.ts'
import type { SplitObserver, SplitReason } from './disaggregated-delivery.ts'
import type { ClientDelivery, DeliveryRequest } from './request-delivery.ts'

/** Options of the disaggregation plugin that may change while it runs. */
export interface DisaggregationLimits {
  /** A request of which the decode worker would have to compute fewer tokens is not split; 0 = every one is. Default 1024. */
  pdMinUncachedTokens?: number
  /**
   * Nor one that would find more than so many times its own uncached tokens before it on the least busy prefill worker; 0 = it waits
   * for its turn. Default 4.
   */
  pdMaxPrefillBacklog?: number
  /** No request is served by a decode worker alone because no prefill worker could take it. Default false. */
  disableDecodeFallback?: boolean
}

/** Options of the disaggregation plugin. */
export interface DisaggregationOptions extends DisaggregationLimits {
  /** What moves the KV cache; `auto`: as prefill workers announce themselves. Default `nixl`. */
  kvConnector?: ConnectorChoice
  /** Bytes of conversation remembered per decode worker. Default 2^25. */
  maxTreeSize?: number
  /** Blocks of conversations remembered over all decode workers. Default 2,000,000. */
  maxIndexEntries?: number
  clock?: Clock
  /** Uniform in [0, 1). Default `Math.random`. */
  random?: () => number
}

/** What disaggregation tells. */
export interface DisaggregationEvents {
  /** A request of a route that can be split. */
  request: [route: string]
  /** It goes one way or the other; one whose prefill failed, or that is tried again, may do so several times. */
  decided: [reason: SplitReason]
  /** The head of a split request's answer is there. */
  answered: [route: string, milliseconds: number]
  failed: [kind: 'prefill_failed' | 'missing_transfer_params']
  /** A prefill worker keeps blocks that no decode worker is known to have taken. */
  leaked: [prefill: Worker]
  overLimit: [stage: 'prefill' | 'decode']
}

/** Splits requests; `fastify.disaggregation`. */
export class Disaggregation extends EventEmitter<DisaggregationEvents> {
  private readonly registry: WorkerRegistry
  private options: DisaggregationOptions
  private estimate: UncachedEstimate
  /** What prefill workers have before them. */
  readonly backlog = new PromptBacklog()
  private readonly identities = new Map<Worker, PushIdentity>()
  private readonly context: PlanContext
  private readonly observer: SplitObserver
  private readonly newEstimate: () => UncachedEstimate

  constructor (registry: WorkerRegistry, options: DisaggregationOptions, engineOf: (worker: Worker) => string | undefined) {
    super()
    this.registry = registry
    this.options = options
    const { random = Math.random, maxTreeSize = cacheAwareDefaults.maxTreeSize, maxIndexEntries = cacheAwareDefaults.maxIndexEntries } = options
    this.newEstimate = () => new UncachedEstimate(
      new PrefixIndex({ maxBytes: maxTreeSize, maxEntries: maxIndexEntries, salt: Math.floor(random() * 2 ** 32) }))
    this.estimate = this.newEstimate()
    this.context = { choice: options.kvConnector ?? 'nixl', identityOf: worker => this.identities.get(worker), engineOf, uuid: randomUUID }
    this.observer = {
      decided: reason => this.emit('decided', reason),
      answered: (route, milliseconds) => this.emit('answered', route, milliseconds),
      failed: kind => this.emit('failed', kind),
      returned: (prefill, params) => this.returned(prefill, params),
      leaked: prefill => this.emit('leaked', prefill),
      overLimit: stage => this.emit('overLimit', stage)
    }
  }

  /** Whether nothing can be served without a prefill worker. */
  get needsPrefill (): boolean {
    const [worker] = this.registry.candidates('decode').workers
    return this.options.disableDecodeFallback === true || (worker !== undefined && !servesAlone(worker, this.context.choice))
  }

  /** Changes options while the router runs, for requests that come from now on. */
  configure (limits: DisaggregationLimits): void {
    this.options = { ...this.options, ...limits }
  }

  /**
   * A delivery that splits the request; undefined when a decode worker is to serve it as it is.
   * @throws UnsplittableError when it cannot be split, and decode workers serve nothing but legs
   */
  deliver (what: DeliveryRequest): ClientDelivery | undefined {
    const { request: { body }, route, routing, pinned } = what
    // workers of one fleet have one connector: any of them tells
    const [worker] = this.registry.candidates('decode').workers
    const alone = worker === undefined || servesAlone(worker, this.context.choice)
    if (!(alone ? splitPaths : pairedPaths).has(route)) return undefined
    this.emit('request', route)
    // what is no JSON object is refused before it reaches an engine
    const one = Buffer.isBuffer(body) ? canSplit(body, route) : undefined
    const several = worker !== undefined && movesEverySequence(worker, this.context.choice)
    if (!Buffer.isBuffer(body) || one === undefined || pinned !== undefined || routing.hasKvTransferParams || !(several || one)) {
      if (!alone && one !== undefined) throw new UnsplittableError()
      this.emit('decided', 'unsplittable')
      return undefined
    }
    return new DisaggregatedDelivery(what, body, {
      fallback: alone && this.options.disableDecodeFallback !== true,
      plan: (prefill, decode, requestId, concurrent) => planFor(prefill, decode, requestId, concurrent, this.context),
      limits: {
        minUncached: alone ? this.options.pdMinUncachedTokens ?? splitDefaults.minUncached : 0,
        maxBacklog: this.options.pdMaxPrefillBacklog ?? splitDefaults.maxBacklog
      },
      estimate: this.estimate,
      backlog: this.backlog,
      observer: this.observer
    })
  }

  /** What was learned of a worker is void: it left, or its process is another one. */
  forget (worker: Worker): void {
    this.identities.delete(worker)
    this.estimate.forget(worker)
  }

  /** Another process of this router sent a decode worker a conversation. */
  heard (worker: Worker, prefix: PrefixChain): void {
    this.estimate.served(worker, prefix)
  }

  /** Forgets what decode workers have in their KV caches. */
  flush (): void {
    this.estimate = this.newEstimate()
  }

  private returned (prefill: Worker, params: Buffer): void {
    if (prefill.state === 'gone' || connectorOf(prefill, this.context.choice) !== 'nixl') return
    const identity = pushIdentity(params)
    if (identity === undefined) this.identities.delete(prefill)
    else this.identities.set(prefill, identity)
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly disaggregation: Disaggregation
  }
}

/** The disaggregation plugin's decoration, where it is registered. */
export function disaggregationOf (fastify: FastifyInstance): Disaggregation | undefined {
  return fastify.hasDecorator('disaggregation') ? fastify.disaggregation : undefined
}

const plugin: FastifyPluginAsync<DisaggregationOptions> = async (fastify, options) => {
  const { workers, balancer, calls, log } = fastify
  const { clock = systemClock, random = Math.random, kvConnector = 'nixl' } = options
  const directory = new BootstrapDirectory({
    registry: workers,
    client: { bootstrap: address => fastify.upstream.client.bootstrap(address) },
    clock,
    random,
    addressOf: worker => worker.role === 'prefill' && connectorOf(worker, kvConnector) === 'mooncake'
      ? bootstrapAddress(worker.url, worker.spec.bootstrapPort)
      : undefined
  })
  const disaggregation = new Disaggregation(workers, options, worker => directory.engineOf(worker))
  fastify.decorate('disaggregation', disaggregation)
  balancer.answeringRole = 'decode'

  workers.on('removed', worker => disaggregation.forget(worker))
  workers.on('changed', worker => { if (worker.state === 'unhealthy' || worker.state === 'starting') disaggregation.forget(worker) })
  // a process that ended and came back between two health checks shows in its connections only
  calls.on('settled', call => {
    const { exchange, leg, assignment: { worker } } = call
    if (leg === 'prefill') disaggregation.backlog.ended(call)
    if (exchange.error === undefined || outcomeOf(exchange) !== 'failure') return
    const kind = failureKind(exchange.error)
    if (kind === 'refused' || kind === 'reset') for (const rank of workers.at(worker.url)) disaggregation.forget(rank)
  })
  disaggregation.on('leaked', worker => log.debug({ worker: worker.id }, 'no decode worker took the blocks of a prefill'))

  const asks = kvConnector === 'mooncake' || kvConnector === 'auto'
  fastify.addHook('onReady', next => {
    if (asks) directory.start()
    next()
  })
  fastify.addHook('onClose', (_instance, next) => {
    directory.stop()
    next()
  })
}

/** Fastify plugin: requests split into prefill and decode, `fastify.disaggregation`. */
export const disaggregation: FastifyPluginAsync<DisaggregationOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-disaggregation', decorators: { fastify: ['workers', 'balancer', 'upstream', 'calls'] }
})
export default disaggregation
