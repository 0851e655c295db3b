// Lets requests for workers in: so many at a time, so many a second; the others wait in a bounded queue, and not for ever.
import { EventEmitter } from 'node:events'
import fp from 'fastify-plugin'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify'
import { Admission } from '../core/admission.ts'
import type { AdmissionOptions, Ticket, Verdict } from '../core/admission.ts'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { QueueFullError, QueueTimeoutError } from '../core/errors.ts'
import { isClosed } from '../core/reply.ts'
import { whenClosed } from '../core/reply-end.ts'
import { WorkerBound } from '../core/worker-bound.ts'

/** Options of the admission plugin that may change while it runs. */
export interface AdmissionLimits {
  /** Requests in flight at the same time; a stream counts until its end. Default 32,768. */
  maxConcurrentRequests?: number
  /** Requests in flight on one worker at the same time; 0 = no bound. Default 0. */
  maxConcurrentRequestsPerWorker?: number
  /** Requests that may wait for a place. Default 100. */
  queueSize?: number
  /** Longest wait for a place, in seconds. Default 60. */
  queueTimeoutSecs?: number
  /** Requests let in per second on average; undefined = no such bound. */
  rateLimitTokensPerSecond?: number | undefined
}

/** Options of the admission plugin. */
export interface AdmissionPluginOptions extends AdmissionLimits {
  clock?: Clock
}

/** What admission tells. */
export interface AdmissionEvents {
  /** A request left the queue after so many milliseconds, to be served or because it waited too long. */
  waited: [milliseconds: number]
  /** A request is not served. */
  refused: [reason: 'full' | 'timeout']
}

/** What the plugin decorates the instance with. */
export class AdmissionControl extends EventEmitter<AdmissionEvents> {
  private limits: AdmissionLimits
  private readonly bound: WorkerBound
  private readonly admission: Admission

  constructor (limits: AdmissionLimits, clock: Clock, makeBound: (limit: () => number, changed: () => void) => WorkerBound) {
    super()
    this.limits = limits
    this.bound = makeBound(() => this.limits.maxConcurrentRequestsPerWorker ?? 0, () => this.admission.advance())
    // asked several times a request: an object that is there
    const control = this
    const options: AdmissionOptions = {
      get maxConcurrent () { return Math.min(control.limits.maxConcurrentRequests ?? 32_768, control.bound.capacity) },
      get queueSize () { return control.limits.queueSize ?? 100 },
      get queueTimeoutMs () { return (control.limits.queueTimeoutSecs ?? 60) * 1000 },
      get ratePerSecond () { return control.limits.rateLimitTokensPerSecond }
    }
    this.admission = new Admission(clock, () => options)
  }

  /** Requests let in that have not ended. */
  get inFlight (): number {
    return this.admission.inFlight
  }

  /** Requests that wait. */
  get waiting (): number {
    return this.admission.waiting
  }

  /** Changes limits while the router runs; who waits and fits now comes in at once. */
  configure (limits: AdmissionLimits): void {
    this.limits = { ...this.limits, ...limits }
    this.bound.review()
    this.admission.advance()
  }

  /** Asks for a place; see `Admission.enter`. */
  enter (decide: (verdict: Verdict) => void): Ticket {
    return this.admission.enter((verdict, waitedMs) => {
      if (verdict === 'queue_full') this.emit('refused', 'full')
      else if (verdict === 'timed_out') this.emit('refused', 'timeout')
      if (waitedMs > 0 || verdict === 'timed_out') this.emit('waited', waitedMs)
      decide(verdict)
    })
  }

  /** Seconds after which a refused request may try again. */
  retryAfterSecs (): number {
    return this.admission.retryAfterSecs()
  }

  dispose (): void {
    this.admission.dispose()
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly admission: AdmissionControl
  }
}

const plugin: FastifyPluginAsync<AdmissionPluginOptions> = async (fastify, options) => {
  const { workers, balancer } = fastify
  const { clock = systemClock, ...limits } = options
  let bound: WorkerBound | undefined
  const admission = new AdmissionControl(limits, clock, (limit, changed) => {
    bound = new WorkerBound(workers, limit, changed)
    return bound
  })
  balancer.on('assigned', ({ worker }) => bound?.moved(worker))
  balancer.on('finished', ({ worker }) => bound?.moved(worker))
  fastify.decorate('admission', admission)
  fastify.addHook('onClose', async () => admission.dispose())

  function enter (request: FastifyRequest, reply: FastifyReply, next: (error?: Error) => void): void {
    // its `close` has been and will not come again
    if (isClosed(reply.raw)) {
      request.routerFailure = 'client_gone'
      reply.hijack()
      return
    }
    const ticket = admission.enter(verdict => {
      if (verdict === 'admitted') next()
      else if (verdict === 'timed_out') next(new QueueTimeoutError())
      else {
        reply.header('retry-after', String(admission.retryAfterSecs()))
        next(new QueueFullError())
      }
    })
    // the call has been settled by then: the next one must find the worker given back
    whenClosed(reply.raw, () => ticket.leave())
  }

  // on the routes themselves, and so after the hooks of all plugins: those who watch a request watch it while it waits, too
  fastify.addHook('onRoute', (route: RouteOptions) => {
    if (route.config?.workerRoute === undefined) return
    const { onRequest = [] } = route
    route.onRequest = [...(Array.isArray(onRequest) ? onRequest : [onRequest]), enter as onRequestHookHandler]
  })
}

/** Fastify plugin: bounds on requests in flight, `fastify.admission`. */
export const admission: FastifyPluginAsync<AdmissionPluginOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-admission', decorators: { fastify: ['workers', 'balancer'], request: ['routerFailure'] }
})
export default admission
