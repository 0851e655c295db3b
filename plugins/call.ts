// One request on its way to one worker, as the plugins that count, log and learn see it.
import { EventEmitter } from 'node:events'
import { headerIn } from '../core/headers.ts'
import type { Clock } from '../core/clock.ts'
import { Exchange } from '../core/exchange.ts'
import type { ExchangeObserver } from '../core/exchange.ts'
import { isEventStream } from '../core/relay.ts'
import { SseBoundary } from '../openai/sse.ts'
import { UsageReader } from '../openai/usage.ts'
import type { Usage } from '../openai/usage.ts'
import type { Assignment } from './load-balancer.ts'

/** What calls tell those who watch them. */
export interface CallEvents {
  /** A worker was chosen; the request is about to go there. */
  chosen: [call: Call, request: { readonly id: string }]
  /** The call is on its way; `streams`: the client asked for a stream. */
  started: [call: Call, streams: boolean]
  /** The worker's status and headers came. */
  head: [call: Call]
  /** The first byte of the answer came. */
  firstByte: [call: Call]
  /** One more piece of an event stream came, so many milliseconds after the one before. */
  gap: [call: Call, gap: number]
  /** The id of the response being made came; the client has not seen it yet. */
  responseId: [call: Call, id: string]
  /** The call brought no answer for the client, and another follows after so many milliseconds; `attempt` 1 = the first failed. */
  retry: [call: Call, pause: number, attempt: number]
  /** The answer to the request begins with this call's; once a request that a worker answers. */
  answered: [call: Call]
  /** The call brought no answer for the client, and after at least one retry no other follows. */
  exhausted: [call: Call]
  /** The call is over, whoever ended it; once a call. */
  settled: [call: Call]
}

/** What a call does of its request: all of it, or one of the two legs it was split into. */
export type Leg = 'whole' | 'prefill' | 'decode'

/** How a request came to its decode worker. */
export interface Split {
  /** The prefill call before it, or beside it; undefined where the decode worker does it all. */
  readonly prefill: Call | undefined
  /** Why it was split, or was not: one of a fixed set of words. */
  readonly reason: string
  /** Milliseconds from the request's first hand-over to this call. */
  readonly beforeMs: number
}

/** Where all calls of one router are watched; `fastify.calls`. */
export class Calls extends EventEmitter<CallEvents> {
  constructor () {
    super()
    // every plugin that learns from calls listens, and an application's own code may: more of them than Node takes for a leak
    this.setMaxListeners(0)
  }
}

/** A call and its account. */
export class Call implements ExchangeObserver {
  readonly assignment: Assignment
  readonly exchange: Exchange
  /** Route the request came by, from a bounded set. */
  readonly route: string
  /** The request makes tokens, as opposed to asking something else of a worker. */
  readonly generation: boolean
  leg: Leg = 'whole'
  /** Number of the choice in the record of decisions; 0: it is not in it. */
  decision = 0
  /** How the request was divided, where it could have been. */
  split: Split | undefined
  /** The answer is an event stream in clear. */
  streamed = false
  /** Milliseconds the router took between having read the request and having handed it on; undefined for a repeated request. */
  overheadMs: number | undefined
  private readonly calls: Calls
  private readonly reader: UsageReader
  private readonly boundary = new SseBoundary()
  private readable = false
  private awaitsId: boolean
  /** What all who listen to the end ask for. */
  private told: Usage | undefined

  constructor (calls: Calls, clock: Clock, assignment: Assignment, route: string, generation: boolean, wantId: string | undefined) {
    this.calls = calls
    this.assignment = assignment
    this.route = route
    this.generation = generation
    this.awaitsId = wantId !== undefined
    this.reader = new UsageReader(wantId === undefined ? {} : { wantId })
    this.exchange = new Exchange(clock, this)
  }

  /** Tokens as the worker counted them, the prompt's where it was computed; complete once the call is settled. */
  get usage (): Usage {
    if (this.told !== undefined) return this.told
    const usage = this.count()
    const { prefill } = this.split ?? {}
    if (this.exchange.end !== undefined && (prefill === undefined || prefill.exchange.end !== undefined)) this.told = usage
    return usage
  }

  /** As far as it was told. */
  private count (): Usage {
    const own = this.reader.end()
    const prompt = this.split?.prefill?.usage
    if (prompt === undefined) return own
    return { ...own, promptTokens: prompt.promptTokens ?? own.promptTokens, cachedTokens: prompt.cachedTokens ?? own.cachedTokens }
  }

  /** The stream so far ends where an event ends. */
  get atEventBoundary (): boolean {
    return this.boundary.atBoundary
  }

  /** Milliseconds from the hand-over to the first byte of the answer. */
  get firstByteMs (): number | undefined {
    const { firstByteAt, startedAt } = this.exchange
    return firstByteAt === undefined ? undefined : firstByteAt - startedAt
  }

  /** Milliseconds from the request's first hand-over to a worker to this call; 0 unless another leg came before it. */
  get beforeMs (): number {
    return this.split?.beforeMs ?? 0
  }

  /** Milliseconds from the hand-over to the end, or to now. */
  get durationMs (): number {
    return (this.exchange.endedAt ?? this.exchange.startedAt) - this.exchange.startedAt
  }

  head (exchange: Exchange): void {
    this.streamed = isEventStream(exchange.headers)
    this.readable = this.streamed ||
      (headerIn(exchange.headers, 'content-encoding') === undefined && headerIn(exchange.headers, 'content-type')?.startsWith('application/json') === true)
    this.calls.emit('head', this)
  }

  firstByte (): void {
    this.assignment.firstByte()
    this.calls.emit('firstByte', this)
  }

  chunk (exchange: Exchange, chunk: Buffer, gap: number): void {
    if (this.readable) this.reader.push(chunk)
    if (this.awaitsId && this.reader.id !== undefined) {
      this.awaitsId = false
      this.calls.emit('responseId', this, this.reader.id)
    }
    if (!this.streamed) return
    this.boundary.push(chunk)
    if (exchange.firstByteAt !== undefined && gap > 0) this.calls.emit('gap', this, gap)
  }

  settled (exchange: Exchange): void {
    const { promptTokens, cachedTokens, completionTokens } = this.usage
    this.assignment.finish({
      ok: exchange.end === 'completed' && exchange.status < 500,
      firstByteMs: this.firstByteMs,
      durationMs: this.durationMs,
      promptTokens,
      cachedTokens,
      completionTokens
    })
    this.calls.emit('settled', this)
  }
}
