// The fleet of a replay: the router's own registry, balancer and policy in front of engines, all on one virtual clock.
import type { Worker } from '../../core/worker.ts'
import { WorkerRegistry } from '../../core/registry.ts'
import { LoadBalancer } from '../../plugins/load-balancer.ts'
import type { Policy, PolicyContext, PrefixChain, Routing } from '../../policies/policy.ts'
import { Engine } from '../../simulator/engine.ts'
import type { EngineOptions } from '../../simulator/engine-options.ts'
import { VirtualClock } from '../../simulator/virtual-clock.ts'
import { randomFrom } from '../faults/random.ts'
import type { ReplayRequest } from './trace.ts'

/** What became of one request; moments in virtual milliseconds. */
export interface Outcome {
  readonly at: number
  readonly worker: string
  readonly tokens: number
  readonly output: number
  readonly cached: number
  readonly ttftMs: number
  /** From the request to the last token. */
  readonly totalMs: number
  /** Mean time between two tokens; 0 for an answer of one token. */
  readonly itlMs: number
}

/** Bytes of text a token stands for, where the router would see bytes. */
const bytesPerToken = 4
const noHeaders = new Uint8Array(0)

/** A whole number below 2^53 that looks random, from one that does not: block hashes have to spread over a table. */
function hashed (id: number): number {
  const top = Math.floor(id / 0x1_0000_0000)
  let low = Math.imul(id ^ id >>> 16, 0x45d9f3b) ^ Math.imul(top + 1, 0x9e3779b1)
  low = Math.imul(low ^ low >>> 15, 0x2c1b3c6d)
  let high = Math.imul(low ^ top, 0x297a2d39) ^ id
  high = Math.imul(high ^ high >>> 15, 0x45d9f3b)
  return ((high ^ high >>> 16) >>> 11) * 0x1_0000_0000 + (low >>> 0)
}

/** A request as the router's policies see it. */
export class TraceRouting implements Routing {
  readonly model = 'replayed'
  readonly session = undefined
  readonly opening: Uint8Array
  readonly prefix: PrefixChain
  private readonly sessionId: string | undefined

  constructor (request: ReplayRequest, blockSize: number) {
    const { blocks, tokens, session } = request
    const whole = Math.min(blocks.length, Math.floor(tokens / blockSize))
    this.prefix = {
      hashes: Array.from({ length: whole }, (_, at) => hashed(blocks[at] as number)),
      ends: Array.from({ length: whole }, (_, at) => (at + 1) * blockSize * bytesPerToken),
      length: tokens * bytesPerToken
    }
    // the router reads up to the first turn of the user; a trace does not tell where that is: the second block is past most system prompts
    // (of what everybody has, none is part of it)
    const { head = 0 } = request
    const at = Math.min(head + 1, whole - 1)
    const first = at < head ? undefined : blocks[at]
    this.opening = first === undefined ? noHeaders : new TextEncoder().encode(String(first))
    this.sessionId = session
  }

  header (name: string): string | undefined {
    return name === 'x-session-id' ? this.sessionId : undefined
  }
}

/** Makes the policy under test. */
export type PolicyMaker = (context: PolicyContext) => Policy

/** A fleet that takes requests. */
export class ReplayFleet {
  readonly clock = new VirtualClock()
  readonly outcomes: Outcome[] = []
  /** Prompts too long for an engine. */
  refused = 0
  /** Called with the number of requests sent so far. */
  onSent: ((sent: number) => void) | undefined
  private sent = 0
  readonly policy: Policy
  private readonly registry = new WorkerRegistry()
  private readonly balancer: LoadBalancer
  private readonly engines = new Map<Worker, Engine>()
  private readonly blockSize: number
  /** Virtual milliseconds times requests in flight, by worker. */
  private readonly occupied = new Map<Worker, { area: number, since: number }>()

  constructor (workers: number, engine: EngineOptions, makePolicy: PolicyMaker, seed: number) {
    this.blockSize = engine.blockSize ?? 16
    const random = randomFrom(seed)
    this.policy = makePolicy({ now: () => this.clock.now(), random })
    this.registry.apply('replay', Array.from({ length: workers }, (_, at) => ({ url: `http://10.${at >> 16}.${at >> 8 & 255}.${at & 255}:8000`, model: 'replayed' })))
    for (const worker of this.registry.list()) {
      this.registry.setState(worker, 'ready', 'replayed')
      const simulated = new Engine(engine, this.clock)
      // as the worker's own metrics would tell
      worker.kvTokens = simulated.capacity
      this.engines.set(worker, simulated)
      this.occupied.set(worker, { area: 0, since: 0 })
    }
    this.balancer = new LoadBalancer(this.registry, () => this.policy)
  }

  /** Sends a request now; `ended` is called with its last token. */
  send (request: ReplayRequest, ended?: () => void): void {
    this.onSent?.(++this.sent)
    const routing = new TraceRouting(request, this.blockSize)
    const assignment = this.balancer.assign('regular', routing)
    const engine = assignment && this.engines.get(assignment.worker)
    if (assignment === undefined || engine === undefined) throw new Error('no worker')
    const { worker } = assignment
    const at = this.clock.now()
    let firstAt = at
    this.count(worker, worker.inFlight - 1)
    const finish = (ok: boolean, cached: number): void => {
      const now = this.clock.now()
      this.count(worker, worker.inFlight)
      assignment.finish({
        ok, firstByteMs: firstAt - at, durationMs: now - at, promptTokens: request.tokens, cachedTokens: cached, completionTokens: request.output
      })
    }
    try {
      const handle = engine.submit({
        prompt: { blocks: request.blocks, tokens: request.tokens },
        maxTokens: request.output,
        onToken: index => {
          if (index > 0) return
          firstAt = this.clock.now()
          assignment.firstByte()
        },
        onFinished: () => {
          const now = this.clock.now()
          finish(true, handle.cachedTokens)
          this.outcomes.push({
            at,
            worker: worker.id,
            tokens: request.tokens,
            output: request.output,
            cached: handle.cachedTokens,
            ttftMs: firstAt - at,
            totalMs: now - at,
            itlMs: request.output > 1 ? (now - firstAt) / (request.output - 1) : 0
          })
          ended?.()
        }
      })
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.refused++
      finish(false, 0)
      ended?.()
    }
  }

  /** Mean requests in flight of each worker until now. */
  loads (): number[] {
    const now = this.clock.now()
    for (const worker of this.engines.keys()) this.count(worker, worker.inFlight)
    return [...this.occupied.values()].map(({ area }) => now === 0 ? 0 : area / now)
  }

  private count (worker: Worker, inFlightSoFar: number): void {
    const one = this.occupied.get(worker)
    if (one === undefined) return
    const now = this.clock.now()
    one.area += inFlightSoFar * (now - one.since)
    one.since = now
  }
}
