// Bounds the requests in flight: a place for each, a queue of bounded length and time for those that come when all are taken.
import type { Clock, Timer } from './clock.ts'

/** Settings of admission; times in milliseconds. */
export interface AdmissionOptions {
  /** Requests in flight at the same time; a stream counts until its end. */
  maxConcurrent: number
  /** Requests that may wait. */
  queueSize: number
  /** Longest wait. */
  queueTimeoutMs: number
  /** Requests let in per second on average; undefined = no such bound. Up to one second's worth may come at once. */
  ratePerSecond: number | undefined
}

/** What becomes of a request that asked to come in. */
export type Verdict = 'admitted' | 'queue_full' | 'timed_out'

interface Waiter {
  decide: (verdict: Verdict) => void
  timer: Timer
  since: number
}

/** Longest time one timer is set for; with a very low rate several follow each other. */
const longestTimerMs = 3_600_000

/** Tokens kept: one second's worth, and never less than one request needs. */
function capacityOf (ratePerSecond: number): number {
  return Math.max(ratePerSecond, 1)
}

/** A place asked for; `leave` gives it back, or leaves the queue. Safe to call more than once. */
export interface Ticket {
  leave (): void
}

/** Lets requests in, in the order they came. */
export class Admission {
  inFlight = 0
  private readonly clock: Clock
  private readonly options: () => AdmissionOptions
  private readonly queue = new Set<Waiter>()
  private tokens: number
  private filledAt: number
  private advancing = false
  private refill: Timer | undefined

  /** @param options read anew at every turn, so that a reload takes effect at once */
  constructor (clock: Clock, options: () => AdmissionOptions) {
    this.clock = clock
    this.options = options
    this.tokens = capacityOf(options().ratePerSecond ?? 0)
    this.filledAt = clock.now()
  }

  /** Requests waiting. */
  get waiting (): number {
    return this.queue.size
  }

  /** Asks for a place; `decide` is called once, at once or later, unless the ticket is left before. */
  enter (decide: (verdict: Verdict, waitedMs: number) => void): Ticket {
    const { queueSize, queueTimeoutMs } = this.options()
    // a bound may have been raised without a word
    if (this.queue.size > 0) this.advance()
    if (this.queue.size === 0 && this.free()) {
      this.take()
      decide('admitted', 0)
      return this.ticket()
    }
    if (this.queue.size >= queueSize) {
      decide('queue_full', 0)
      return { leave () {} }
    }
    const since = this.clock.now()
    let place: Ticket | undefined
    const waiter: Waiter = {
      since,
      timer: this.clock.after(queueTimeoutMs, () => {
        this.queue.delete(waiter)
        decide('timed_out', this.clock.now() - since)
      }),
      decide: verdict => {
        place = this.ticket()
        decide(verdict, this.clock.now() - since)
      }
    }
    this.queue.add(waiter)
    this.advance()
    return {
      leave: () => {
        waiter.timer.cancel()
        this.queue.delete(waiter)
        place?.leave()
      }
    }
  }

  /** Seconds after which a refused request may try again: at least 1. */
  retryAfterSecs (): number {
    const { ratePerSecond } = this.options()
    return ratePerSecond === undefined ? 1 : Math.max(1, Math.ceil(this.queue.size / ratePerSecond))
  }

  /** Lets in whoever fits now: after a place was given back, a setting changed, or tokens came in. */
  advance (): void {
    // one that is let in may leave at once: the turn under way goes on with its place, however long the queue is
    if (this.advancing) return
    this.advancing = true
    try {
      for (const waiter of this.queue) {
        if (!this.free()) break
        this.queue.delete(waiter)
        waiter.timer.cancel()
        this.take()
        waiter.decide('admitted')
      }
    } finally {
      this.advancing = false
    }
    this.awaitTokens()
  }

  dispose (): void {
    this.refill?.cancel()
    for (const waiter of this.queue) waiter.timer.cancel()
    this.queue.clear()
  }

  private ticket (): Ticket {
    let held = true
    return {
      leave: () => {
        if (!held) return
        held = false
        this.inFlight--
        this.advance()
      }
    }
  }

  private free (): boolean {
    const { maxConcurrent, ratePerSecond } = this.options()
    if (this.inFlight >= maxConcurrent) return false
    if (ratePerSecond === undefined) return true
    const now = this.clock.now()
    this.tokens = Math.min(capacityOf(ratePerSecond), this.tokens + (now - this.filledAt) / 1000 * ratePerSecond)
    this.filledAt = now
    return this.tokens >= 1
  }

  private take (): void {
    this.inFlight++
    if (this.options().ratePerSecond !== undefined) this.tokens--
  }

  /** With a rate, nobody's leaving may be what lets the next one in: time is. */
  private awaitTokens (): void {
    const { ratePerSecond, maxConcurrent } = this.options()
    this.refill?.cancel()
    this.refill = undefined
    if (ratePerSecond === undefined || this.queue.size === 0 || this.inFlight >= maxConcurrent) return
    const wait = (1 - this.tokens) / ratePerSecond * 1000
    this.refill = this.clock.after(Math.min(Math.max(1, wait), longestTimerMs), () => this.advance())
  }
}
