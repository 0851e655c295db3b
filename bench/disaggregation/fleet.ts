// Prefill and decode engines on one virtual clock, behind the router's own registry, balancer, policies and rule of what is split.
import { WorkerRegistry } from '../../core/registry.ts'
import type { Role, Worker } from '../../core/worker.ts'
import { PromptBacklog } from '../../disaggregation/backlog.ts'
import { whyAlone } from '../../disaggregation/split-rule.ts'
import type { SplitLimits } from '../../disaggregation/split-rule.ts'
import { UncachedEstimate } from '../../disaggregation/uncached.ts'
import { LoadBalancer } from '../../plugins/load-balancer.ts'
import type { Assignment } from '../../plugins/load-balancer.ts'
import { cacheAwareDefaults, createPolicy, PrefixIndex } from '../../policies/index.ts'
import type { Finished } from '../../policies/policy.ts'
import { Engine } from '../../simulator/engine.ts'
import type { EngineOptions } from '../../simulator/engine-options.ts'
import type { EngineHandle, EngineRequest } from '../../simulator/sequence.ts'
import { VirtualClock } from '../../simulator/virtual-clock.ts'
import { randomFrom } from '../faults/random.ts'
import { TraceRouting } from '../replay/fleet.ts'
import type { ReplayRequest } from '../replay/trace.ts'

/** How a fleet is set up. */
export interface FleetOptions {
  readonly prefill: number
  readonly decode: number
  readonly engine: EngineOptions
  readonly prefillPolicy: string
  readonly decodePolicy: string
  /** As the router's options; `minUncached: Infinity` = nothing is split. */
  readonly limits: SplitLimits
  readonly seed: number
}

/** What became of one request; times in virtual milliseconds. */
export interface PdOutcome {
  readonly split: boolean
  readonly ttftMs: number
  /** Mean time between two tokens; undefined for an answer of one token. */
  readonly itlMs: number | undefined
}

const route = 'trace'
const failed: Finished = { ok: false, firstByteMs: undefined, durationMs: 0, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined }

/** A fleet that takes requests. */
export class PdFleet {
  readonly clock = new VirtualClock()
  readonly outcomes: PdOutcome[] = []
  /** Every time between two tokens of one answer. */
  readonly gaps: number[] = []
  /** Prompts too long for an engine. */
  refused = 0
  private readonly registry = new WorkerRegistry()
  private readonly balancer: LoadBalancer
  private readonly engines = new Map<Worker, Engine>()
  private readonly estimate: UncachedEstimate
  private readonly backlog = new PromptBacklog()
  private readonly options: FleetOptions

  constructor (options: FleetOptions) {
    this.options = options
    const random = randomFrom(options.seed)
    const policies: Readonly<Record<Role, string>> = { regular: 'round_robin', prefill: options.prefillPolicy, decode: options.decodePolicy }
    const { maxTreeSize, maxIndexEntries } = cacheAwareDefaults
    this.estimate = new UncachedEstimate(new PrefixIndex({ maxBytes: maxTreeSize, maxEntries: maxIndexEntries, salt: Math.floor(random() * 2 ** 32) }))
    this.registry.apply('bench', (['prefill', 'decode'] as const).flatMap(role =>
      Array.from({ length: options[role] }, (_, at) => ({ url: `http://${role}-${at}:8000`, role, model: 'replayed' }))))
    for (const worker of this.registry.list()) {
      this.registry.setState(worker, 'ready', 'bench')
      this.engines.set(worker, new Engine(options.engine, this.clock))
    }
    this.balancer = new LoadBalancer(this.registry, role => createPolicy(policies[role], {}, { now: () => this.clock.now(), random }))
    this.balancer.answeringRole = 'decode'
  }

  /** Sends a request now: the steps of `DisaggregatedDelivery` where nothing fails. */
  send (request: ReplayRequest): void {
    const { clock, balancer, backlog, estimate, options: { engine, limits } } = this
    const routing = new TraceRouting(request, engine.blockSize ?? 16)
    const at = clock.now()
    const target = balancer.assign('decode', routing)
    if (target === undefined) throw new Error('no decode worker')
    const uncached = estimate.tokens(target.worker, routing.prefix, route)
    const alone = whyAlone(uncached, () => backlog.least(balancer.candidates('prefill', routing)), limits)
    const first = alone === undefined ? balancer.assign('prefill', routing) : undefined
    if (first === undefined) {
      this.answer(target, request, routing, at, undefined)
      return
    }
    backlog.begun(first, first.worker, uncached)
    const handle = this.submit(first, request, {
      maxTokens: 1,
      keepBlocks: true,
      onToken: () => first.firstByte(),
      onFinished: () => {
        backlog.ended(first)
        const took = clock.now() - at
        first.finish({ ok: true, firstByteMs: took, durationMs: took, promptTokens: request.tokens, cachedTokens: handle?.cachedTokens, completionTokens: 1 })
        this.answer(target, request, routing, at, handle)
      }
    })
    if (handle !== undefined) return
    backlog.ended(first)
    target.finish(failed)
  }

  /** The decode worker's part; `prefilled` holds the blocks, where a prefill worker has computed them. */
  private answer (target: Assignment, request: ReplayRequest, routing: TraceRouting, at: number, prefilled: EngineHandle | undefined): void {
    const { clock } = this
    const begun = clock.now()
    let firstAt = at
    let last = at
    const handle = this.submit(target, request, {
      maxTokens: request.output,
      ...(prefilled === undefined ? {} : { load: { orElse: 'recompute', start: done => done(true), end: () => prefilled.hold?.release() } }),
      onToken: index => {
        const now = clock.now()
        if (index > 0) this.gaps.push(now - last)
        last = now
        if (index > 0) return
        firstAt = now
        target.firstByte()
        this.estimate.served(target.worker, routing.prefix)
      },
      onFinished: () => {
        const { output } = request
        const durationMs = clock.now() - begun
        target.finish({ ok: true, firstByteMs: firstAt - begun, durationMs, promptTokens: request.tokens, cachedTokens: handle?.cachedTokens, completionTokens: output })
        this.outcomes.push({ split: prefilled !== undefined, ttftMs: firstAt - at, itlMs: output > 1 ? (last - firstAt) / (output - 1) : undefined })
      }
    })
  }

  private submit (assignment: Assignment, { blocks, tokens }: ReplayRequest, rest: Omit<EngineRequest, 'prompt'>): EngineHandle | undefined {
    try {
      return this.engines.get(assignment.worker)?.submit({ prompt: { blocks, tokens }, ...rest })
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.refused++
      assignment.finish(failed)
      return undefined
    }
  }
}
