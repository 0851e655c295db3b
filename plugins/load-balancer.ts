// Chooses the worker for each request: the candidates for its role and model, then the policy, then the lease.
import { EventEmitter } from 'node:events'
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { Candidates } from '../core/candidates.ts'
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
  /** The same for the choice of prefill and of decode workers. Default `policy`; by name each role gets an object of its own. */
  prefillPolicy?: string | Policy | undefined
  decodePolicy?: string | Policy | undefined
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
  /** The request it was made for. */
  readonly routing: Routing
  /** How many workers could have been chosen. */
  readonly candidates: number
  /** The first byte of the answer came. */
  firstByte (): void
  /** The request is over: the lease ends and the policy learns how it went. Only the first call counts. */
  finish (how: Finished): void
}

const nobody = new Candidates([])

/** What the balancer tells. */
export interface BalancerEvents {
  assigned: [assignment: Assignment, routing: Routing]
  /** A chosen worker was given back. */
  finished: [assignment: Assignment]
  /** What was known of KV caches is forgotten. */
  flushed: []
  /** A client said that this session is over. */
  sessionFinished: [id: string]
  /** Another policy chooses from now on. */
  policy: [policy: Policy, before: Policy, role: Role]
  /** A request named a model that no ready worker is known to serve. */
  unknownModel: [model: string]
}

/** Picks workers; `fastify.balancer`. */
export class LoadBalancer extends EventEmitter<BalancerEvents> {
  /** Where every worker is held back, go on with the least bad one. */
  panic = false
  /** The role of the workers that answer clients: `decode` where requests are split. */
  answeringRole: 'regular' | 'decode' = 'regular'
  private readonly choosers: Partial<Record<Role, Policy>> = {}
  private readonly registry: WorkerRegistry
  private readonly make: (role: Role) => Policy

  /** @param make the policy of a role, asked for once each when it is needed */
  constructor (registry: WorkerRegistry, make: (role: Role) => Policy) {
    super()
    this.registry = registry
    this.make = make
    registry.on('added', worker => this.choosers[worker.role]?.workerAdded?.(worker))
    registry.on('elsewhere', worker => this.choosers[worker.role]?.loadChanged?.(worker))
    registry.on('removed', worker => this.choosers[worker.role]?.workerRemoved?.(worker))
    registry.on('changed', worker => {
      if (worker.state === 'unhealthy' || worker.state === 'starting') this.choosers[worker.role]?.workerLost?.(worker)
    })
  }

  /** Who chooses among the workers that answer clients. */
  get policy (): Policy {
    return this.policyOf(this.answeringRole)
  }

  /** The roles that requests are given to. */
  get roles (): readonly Role[] {
    return this.answeringRole === 'regular' ? ['regular'] : ['prefill', 'decode']
  }

  /** Who chooses among the workers of a role. */
  policyOf (role: Role): Policy {
    return this.choosers[role] ?? this.install(role, this.make(role))
  }

  /** Lets another policy choose, which begins without memory; the one before hears to the end of the requests it chose for. */
  setPolicy (policy: Policy, role: Role = this.answeringRole): void {
    const before = this.policyOf(role)
    if (policy === before) return
    this.install(role, policy)
    this.emit('policy', policy, before, role)
  }

  /** Forgets what policies know of KV caches. */
  flush (): void {
    for (const role of this.roles) this.policyOf(role).flush?.()
    this.emit('flushed')
  }

  /** A client says that a session is over. */
  finishSession (id: string): void {
    for (const role of this.roles) this.policyOf(role).finishSession?.(id)
    this.emit('sessionFinished', id)
  }

  /** True when a policy reads what workers say of their load. */
  get wantsForeignLoad (): boolean {
    return this.roles.some(role => this.policyOf(role).wantsForeignLoad === true)
  }

  /** True when a policy reads how large workers' KV caches are. */
  get wantsKvTokens (): boolean {
    return this.roles.some(role => this.policyOf(role).wantsKvTokens === true)
  }

  /** The workers a request may go to now: those known to serve its model, or all of the role where nobody is known to and the request allows it. */
  candidates (role: Role, routing: Routing): Candidates {
    const { model } = routing
    const serving = model === undefined ? undefined : this.registry.serving(role, model)
    if (serving !== undefined) return serving
    if (model !== undefined) this.emit('unknownModel', model)
    return routing.knownModelOnly === true ? nobody : this.registry.candidates(role)
  }

  /**
   * Chooses a worker for a request and leases it; undefined when no worker of the role may be picked. A request whose model some
   * workers are known to serve goes to those; any other to anybody, whose own answer the client gets.
   * @param pinned the worker the request must go to because only it can answer
   * @param tried workers that have failed this request; they are chosen only where there is no other
   */
  assign (role: Role, routing: Routing, pinned?: Worker, tried?: ReadonlySet<Worker>): Assignment | undefined {
    const { registry } = this
    const policy = this.policyOf(role)
    const whole = this.candidates(role, routing)
    const candidates = tried === undefined ? whole : whole.without(tried)
    const decision = this.decide(role, routing, candidates, pinned, tried)
    if (decision === undefined) return undefined
    const assignment = new Choice(this, registry, policy, routing, decision, candidates.workers.length)
    try {
      policy.dispatched?.(decision.worker, routing)
      this.emit('assigned', assignment, routing)
    } catch (error) {
      // nobody will ever finish this assignment
      if (assignment.lease.end()) this.emit('finished', assignment)
      throw error
    }
    return assignment
  }

  /**
   * In panic mode, who gets a request when nobody is a candidate: of the workers held back those not tried yet, of these the one with
   * the fewest requests in flight, then the one that comes back first. A worker with as many requests as it may have gets no more.
   */
  lastResort (role: Role, routing: Routing, tried?: ReadonlySet<Worker>): Worker | undefined {
    if (!this.panic) return undefined
    const { model } = routing
    const known = routing.knownModelOnly === true || (model !== undefined && this.registry.serving(role, model) !== undefined)
    const back = (worker: Worker): number => Math.max(...worker.holds.values())
    return this.registry.held(role, model)
      .filter(worker => !worker.holds.has('full') && (!known || (model !== undefined && worker.models?.has(model) === true)))
      .sort((one, two) => Number(tried?.has(one) ?? false) - Number(tried?.has(two) ?? false) || one.inFlight - two.inFlight || back(one) - back(two))[0]
  }

  private install (role: Role, policy: Policy): Policy {
    for (const worker of this.registry.list()) if (worker.role === role) policy.workerAdded?.(worker)
    this.choosers[role] = policy
    return policy
  }

  private decide (role: Role, routing: Routing, candidates: Candidates, pinned: Worker | undefined, tried: ReadonlySet<Worker> | undefined): Decision | undefined {
    if (pinned !== undefined) return { worker: pinned, reason: 'pinned' }
    if (candidates.workers.length > 0) return this.policyOf(role).pick(candidates, routing)
    const worker = this.lastResort(role, routing, tried)
    return worker === undefined ? undefined : { worker, reason: 'panic' }
  }
}

class Choice implements Assignment {
  readonly lease: Lease
  readonly worker: Worker
  readonly policy: string
  readonly decision: Decision
  readonly routing: Routing
  readonly candidates: number
  private readonly balancer: LoadBalancer
  private readonly chooser: Policy

  constructor (balancer: LoadBalancer, registry: WorkerRegistry, chooser: Policy, routing: Routing, decision: Decision, candidates: number) {
    this.lease = new Lease(registry, decision.worker)
    this.worker = decision.worker
    this.policy = chooser.name
    this.decision = decision
    this.candidates = candidates
    this.balancer = balancer
    this.chooser = chooser
    this.routing = routing
  }

  firstByte (): void {
    this.chooser.firstByte?.(this.worker, this.routing)
  }

  finish (how: Finished): void {
    if (!this.lease.end()) return
    this.balancer.emit('finished', this)
    this.chooser.finished?.(this.worker, this.routing, how)
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly balancer: LoadBalancer
  }
}

const plugin: FastifyPluginAsync<LoadBalancerOptions> = async (fastify, options) => {
  const clock = options.clock ?? systemClock
  const { policy = 'cache_aware', prefillPolicy = policy, decodePolicy = policy } = options
  const given: Readonly<Record<Role, string | Policy>> = { regular: policy, prefill: prefillPolicy, decode: decodePolicy }
  const balancer = new LoadBalancer(fastify.workers, role => {
    const wanted = given[role]
    return typeof wanted === 'string' ? createPolicy(wanted, options, { now: () => clock.now(), random: options.random ?? Math.random }) : wanted
  })
  // a name that nobody knows should be told at once
  balancer.policyOf('regular')
  if (options.prefillPolicy !== undefined) balancer.policyOf('prefill')
  if (options.decodePolicy !== undefined) balancer.policyOf('decode')
  fastify.decorate('balancer', balancer)
}

/** Fastify plugin: the load balancer, `fastify.balancer`. */
export const loadBalancer: FastifyPluginAsync<LoadBalancerOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-load-balancer', decorators: { fastify: ['workers'] }
})
export default loadBalancer
