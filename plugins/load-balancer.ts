// Chooses the worker for each request: the candidates for its role and model, then the policy, then the lease.
import { EventEmitter } from 'node:events'
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { Lease } from '../core/lease.ts'
import type { WorkerRegistry } from '../core/registry.ts'
import type { Role, Worker } from '../core/worker.ts'
import { createPolicy } from '../policies/index.ts'
import type { PolicyOptions } from '../policies/index.ts'
import type { Decision, Finished, Policy, Routing } from '../policies/policy.ts'

/** Options of the load balancer plugin: the policy, and what a named policy is made with. */
export interface LoadBalancerOptions extends PolicyOptions {
  /** Name of a policy, or an object of one's own. Default `cache_aware`. */
  policy?: string | Policy
  clock?: Clock
  /** Uniform in [0, 1). Default `Math.random`. */
  random?: () => number
}

/** A choice made, and the hold on the chosen worker. */
export interface Assignment {
  readonly lease: Lease
  readonly worker: Worker
  readonly policy: string
  readonly decision: Decision
  /** How many workers could have been chosen. */
  readonly candidates: number
  /** The first byte of the answer came. */
  firstByte (): void
  /** The request is over: the lease ends and the policy learns how it went. Only the first call counts. */
  finish (how: Finished): void
}

/** What the balancer tells. */
export interface BalancerEvents {
  assigned: [assignment: Assignment]
  /** A request named a model that no ready worker is known to serve. */
  unknownModel: [model: string]
}

/** Picks workers; `fastify.balancer`. */
export class LoadBalancer extends EventEmitter<BalancerEvents> {
  readonly policy: Policy
  private readonly registry: WorkerRegistry

  constructor (registry: WorkerRegistry, policy: Policy) {
    super()
    this.registry = registry
    this.policy = policy
    for (const worker of registry.list()) policy.workerAdded?.(worker)
    registry.on('added', worker => policy.workerAdded?.(worker))
    registry.on('removed', worker => policy.workerRemoved?.(worker))
  }

  /** True when the policy reads what workers say of their load. */
  get wantsForeignLoad (): boolean {
    return this.policy.wantsForeignLoad === true
  }

  /**
   * Chooses a worker for a request and leases it; undefined when no worker of the role is ready. A request whose model some
   * workers are known to serve goes to those; any other to anybody, whose own answer the client gets.
   * @param pinned the worker the request must go to because only it can answer
   */
  assign (role: Role, routing: Routing, pinned?: Worker): Assignment | undefined {
    const { policy, registry } = this
    const model = routing.model
    let candidates = registry.candidates(role)
    if (model !== undefined) {
      const serving = registry.serving(role, model)
      if (serving !== undefined) candidates = serving
      else this.emit('unknownModel', model)
    }
    if (pinned === undefined && candidates.workers.length === 0) return undefined
    const decision: Decision = pinned === undefined ? policy.pick(candidates, routing) : { worker: pinned, reason: 'pinned' }
    const worker = decision.worker
    const lease = new Lease(registry, worker)
    const assignment: Assignment = {
      lease,
      worker,
      policy: policy.name,
      decision,
      candidates: candidates.workers.length,
      firstByte: () => policy.firstByte?.(worker, routing),
      finish: how => { if (lease.end()) policy.finished?.(worker, routing, how) }
    }
    try {
      policy.dispatched?.(worker, routing)
      this.emit('assigned', assignment)
    } catch (error) {
      // nobody will ever finish this assignment
      lease.end()
      throw error
    }
    return assignment
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly balancer: LoadBalancer
  }
}

const plugin: FastifyPluginAsync<LoadBalancerOptions> = async (fastify, options) => {
  const clock = options.clock ?? systemClock
  const { policy = 'cache_aware' } = options
  const made = typeof policy === 'string'
    ? createPolicy(policy, options, { now: () => clock.now(), random: options.random ?? Math.random })
    : policy
  fastify.decorate('balancer', new LoadBalancer(fastify.workers, made))
}

/** Fastify plugin: the load balancer, `fastify.balancer`. */
export const loadBalancer: FastifyPluginAsync<LoadBalancerOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-load-balancer', decorators: { fastify: ['workers'] }
})
export default loadBalancer
