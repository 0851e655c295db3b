// Takes a worker that keeps failing out of service, and lets it back by a few trials.
import type { Clock, Timer } from './clock.ts'
import type { Outcome } from './outcome.ts'

/** `closed`: serves. `open`: gets nothing. `half_open`: gets a bounded number of trial requests. */
export type BreakerState = 'closed' | 'open' | 'half_open'

/** Settings of a breaker; times in milliseconds. */
export interface BreakerOptions {
  /** Failures in a row, all within the window, that open it. */
  failureThreshold: number
  /** Trials in a row that must succeed to close it again. */
  successThreshold: number
  /** How long it stays open before the first trial. */
  openMs: number
  /** A failure older than this no longer counts as one in a row. */
  windowMs: number
  /** Trials under way at the same time while half open. */
  trials: number
}

/** What `begin` gives and `end` takes: the half-open period a trial belongs to; 0 is no trial. */
export type Trial = number

/**
 * A breaker of one worker. A success ends a row of failures, so that a busy worker with a rare failure never opens it; the
 * window keeps failures that lie hours apart from adding up. A request that began before the breaker last moved has no say in
 * what follows, unless it is closed: then every outcome counts.
 */
export class Breaker {
  state: BreakerState = 'closed'
  /** When it may be tried again, on the clock's scale; meaningful while open. */
  retryAt = 0
  private readonly clock: Clock
  private readonly options: () => BreakerOptions
  private readonly changed: (breaker: Breaker, from: BreakerState) => void
  private failures: number[] = []
  private successes = 0
  private underway = 0
  private period = 0
  private timer: Timer | undefined

  /** @param options read anew at every turn, so that a reload takes effect at once */
  constructor (clock: Clock, options: () => BreakerOptions, changed: (breaker: Breaker, from: BreakerState) => void) {
    this.clock = clock
    this.options = options
    this.changed = changed
  }

  /** Whether one more request may go to the worker now. */
  get admits (): boolean {
    return this.state === 'closed' || (this.state === 'half_open' && this.underway < this.options().trials)
  }

  /** Trials under way. */
  get trials (): number {
    return this.underway
  }

  /** A request goes to the worker, admitted or not: one that only this worker can answer comes in any state. What comes back goes to `end`. */
  begin (): Trial {
    if (this.state !== 'half_open' || !this.admits) return 0
    this.underway++
    return this.period
  }

  /** A request is over; once for each `begin`. */
  end (trial: Trial, outcome: Outcome): void {
    if (this.state === 'half_open' && trial === this.period) {
      this.underway--
      if (outcome === 'failure') this.open()
      else if (outcome === 'success' && ++this.successes >= this.options().successThreshold) this.move('closed')
    } else if (this.state === 'closed') {
      if (outcome === 'failure') this.count()
      else if (outcome === 'success' && this.failures.length > 0) this.failures = []
    }
  }

  /** What it learned is void: the worker is another one now, or nobody wants a breaker any more. */
  reset (): void {
    if (this.state === 'closed') this.failures = []
    else this.move('closed')
  }

  /** Frees the timer. */
  dispose (): void {
    this.timer?.cancel()
    this.timer = undefined
  }

  private count (): void {
    const { failureThreshold, windowMs } = this.options()
    const now = this.clock.now()
    this.failures.push(now)
    while (this.failures.length > failureThreshold) this.failures.shift()
    const [first = now] = this.failures
    if (this.failures.length === failureThreshold && now - first <= windowMs) this.open()
  }

  private open (): void {
    const { openMs } = this.options()
    this.retryAt = this.clock.now() + openMs
    this.move('open')
    this.timer = this.clock.after(openMs, () => this.move('half_open'))
  }

  private move (state: BreakerState): void {
    const from = this.state
    this.dispose()
    this.state = state
    this.failures = []
    this.successes = 0
    this.underway = 0
    if (state === 'half_open') this.period++
    this.changed(this, from)
  }
}
