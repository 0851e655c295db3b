// Keeps requests from workers that keep failing: a breaker a worker, told by the outcome of each call, telling the registry.
import { EventEmitter } from 'node:events'
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { Breaker } from '../core/breaker.ts'
import type { BreakerState, Trial } from '../core/breaker.ts'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { outcomeOf } from '../core/outcome.ts'
import type { Outcome } from '../core/outcome.ts'
import type { WorkerRegistry } from '../core/registry.ts'
import type { Worker } from '../core/worker.ts'
import type { Assignment } from './load-balancer.ts'

/** Options of the circuit breaker plugin. */
export interface CircuitBreakerOptions {
  /** Requests go to workers that fail, too. Default false. */
  disableCircuitBreaker?: boolean
  /** Failures in a row that open a breaker. Default 10. */
  cbFailureThreshold?: number
  /** Trials in a row that must succeed to close it. Default 3. */
  cbSuccessThreshold?: number
  /** Seconds before the first trial. Default 60. */
  cbTimeoutDurationSecs?: number
  /** Failures in a row count together within so many seconds. Default 120. */
  cbWindowDurationSecs?: number
  /** Trials under way at the same time. Default 1. */
  cbHalfOpenRequests?: number
  /** Where every worker is held back, the least bad one is tried. Default false. */
  panicMode?: boolean
  clock?: Clock
}

/** What breakers tell. */
export interface BreakerEvents {
  changed: [worker: Worker, to: BreakerState, from: BreakerState]
  /** A call is over and was judged. */
  outcome: [worker: Worker, outcome: Outcome]
}

/** The breakers of a fleet; `fastify.breakers`. */
export class Breakers extends EventEmitter<BreakerEvents> {
  private options: CircuitBreakerOptions
  private readonly clock: Clock
  private readonly registry: WorkerRegistry
  private readonly balancer: { panic: boolean }
  /** Workers that were sent something; any other's is closed. */
  private readonly breakers = new Map<Worker, Breaker>()
  private readonly trials = new WeakMap<Assignment, Trial>()

  /** @param balancer told whether to go on where every worker is held back */
  constructor (registry: WorkerRegistry, balancer: { panic: boolean }, options: CircuitBreakerOptions) {
    super()
    this.options = options
    this.clock = options.clock ?? systemClock
    this.registry = registry
    this.balancer = balancer
    balancer.panic = options.panicMode === true
    registry.on('removed', worker => {
      this.breakers.get(worker)?.dispose()
      this.breakers.delete(worker)
    })
    // it was down, was checked, and is up: what failed then is over
    registry.on('changed', (worker, from) => {
      if (worker.state === 'ready' && from === 'unhealthy') this.breakers.get(worker)?.reset()
    })
  }

  /** Changes options while the router runs; disabling lets all workers back at once. */
  configure (changed: Omit<CircuitBreakerOptions, 'clock'>): void {
    this.options = { ...this.options, ...changed }
    this.balancer.panic = this.options.panicMode === true
    for (const [worker, breaker] of this.breakers) {
      if (this.options.disableCircuitBreaker === true) breaker.reset()
      else this.follow(worker, breaker)
    }
  }

  stateOf (worker: Worker): BreakerState {
    return this.breakers.get(worker)?.state ?? 'closed'
  }

  /** A request goes to its worker. */
  begin (assignment: Assignment): void {
    if (this.options.disableCircuitBreaker === true) return
    const { worker } = assignment
    const breaker = this.of(worker)
    if (breaker.state === 'closed') return
    const trial = breaker.begin()
    if (trial === 0) return
    this.trials.set(assignment, trial)
    this.follow(worker, breaker)
  }

  /** A request is over. */
  end (assignment: Assignment, outcome: Outcome): void {
    const { worker } = assignment
    // the last request of a leaving worker ends after the worker
    if (this.options.disableCircuitBreaker === true || worker.state === 'gone') return
    this.emit('outcome', worker, outcome)
    const breaker = this.of(worker)
    const trial = this.trials.get(assignment) ?? 0
    this.trials.delete(assignment)
    breaker.end(trial, outcome)
    if (trial !== 0) this.follow(worker, breaker)
  }

  /** The request is a trial whose outcome is not known. */
  awaits (assignment: Assignment): boolean {
    return this.trials.has(assignment)
  }

  /** A request is over that was never a call: its place is free again. */
  abandon (assignment: Assignment): void {
    const { worker } = assignment
    const trial = this.trials.get(assignment)
    const breaker = this.breakers.get(worker)
    if (trial === undefined || breaker === undefined) return
    this.trials.delete(assignment)
    breaker.end(trial, 'neither')
    this.follow(worker, breaker)
  }

  /** Frees all timers; calls that end later are not judged. */
  dispose (): void {
    this.options = { ...this.options, disableCircuitBreaker: true }
    for (const breaker of this.breakers.values()) breaker.dispose()
  }

  private of (worker: Worker): Breaker {
    let breaker = this.breakers.get(worker)
    if (breaker === undefined) {
      breaker = new Breaker(this.clock, () => ({
        failureThreshold: this.options.cbFailureThreshold ?? 10,
        successThreshold: this.options.cbSuccessThreshold ?? 3,
        openMs: (this.options.cbTimeoutDurationSecs ?? 60) * 1000,
        windowMs: (this.options.cbWindowDurationSecs ?? 120) * 1000,
        trials: this.options.cbHalfOpenRequests ?? 1
      }), (breaker, from) => {
        this.follow(worker, breaker)
        this.emit('changed', worker, breaker.state, from)
      })
      this.breakers.set(worker, breaker)
    }
    return breaker
  }

  private follow (worker: Worker, breaker: Breaker): void {
    if (breaker.admits) this.registry.unhold(worker, 'breaker')
    // a trial under way may end at any moment: who waits for its place may ask again at once
    else this.registry.hold(worker, 'breaker', breaker.state === 'open' ? breaker.retryAt : this.clock.now())
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly breakers: Breakers
  }
}

const plugin: FastifyPluginAsync<CircuitBreakerOptions> = async (fastify, options) => {
  const { balancer, calls, log } = fastify
  const breakers = new Breakers(fastify.workers, balancer, options)
  fastify.decorate('breakers', breakers)
  balancer.on('assigned', assignment => breakers.begin(assignment))
  calls.on('settled', ({ assignment, exchange }) => breakers.end(assignment, outcomeOf(exchange)))
  // a call is settled right after its assignment is finished; what has not been by then never was a call
  balancer.on('finished', assignment => {
    if (breakers.awaits(assignment)) queueMicrotask(() => breakers.abandon(assignment))
  })
  breakers.on('changed', (worker, to, from) => {
    log[to === 'open' ? 'warn' : 'info']({ worker: worker.id, from, to }, `circuit ${to}`)
  })
  fastify.addHook('onClose', async () => breakers.dispose())
}

/** Fastify plugin: circuit breakers, `fastify.breakers`. */
export const circuitBreaker: FastifyPluginAsync<CircuitBreakerOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-circuit-breaker', decorators: { fastify: ['workers', 'balancer', 'calls'] }
})
export default circuitBreaker
