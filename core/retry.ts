// Whether, when and how often a failed request is tried again.
import type { Clock } from './clock.ts'

/** Statuses of a worker that another try may better. */
export const retryableStatuses: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/** Settings of retries; times in milliseconds. */
export interface RetryOptions {
  /** Attempts in all, the first included; 1 = no retry. */
  maxAttempts: number
  initialBackoffMs: number
  maxBackoffMs: number
  /** Each backoff is so many times the one before. */
  multiplier: number
  /** 0 to 1: a backoff is longer or shorter by up to this share, by chance. */
  jitter: number
}

/** Milliseconds to wait before attempt `attempt` + 1, when `attempt` attempts were made (1 = the first failed). */
export function backoff (attempt: number, options: RetryOptions, random: number): number {
  const plain = Math.min(options.initialBackoffMs * options.multiplier ** (attempt - 1), options.maxBackoffMs)
  return plain * (1 + options.jitter * (2 * random - 1))
}

/** The three forms of a date (RFC 9110 §5.6.7). */
const dates = /^(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})$/

/** Milliseconds a `Retry-After` header asks for (RFC 9110 §10.2.3: seconds or a date); undefined when it says nothing usable. */
export function retryAfterMs (value: string | undefined, wallClock: number): number | undefined {
  if (value === undefined) return undefined
  const text = value.trim()
  if (/^\d+$/.test(text)) return Number(text) * 1000
  if (!dates.test(text)) return undefined
  // the oldest of the three forms names no zone, and means the same one
  const date = Date.parse(text.endsWith('GMT') ? text : text + ' GMT')
  return Number.isNaN(date) ? undefined : Math.max(0, date - wallClock)
}

/** Settings of a budget. */
export interface BudgetOptions {
  /** Retries allowed, in percent of the requests of the last 10 s. */
  percent: number
  /** Retries allowed in any case, per second. */
  minPerSecond: number
}

/** Seconds looked back. */
const horizon = 10

/**
 * Bounds retries to a share of the requests, so that a fleet in trouble is not given several times its load. Counts by
 * whole seconds in a ring of fixed size.
 */
export class RetryBudget {
  private readonly clock: Clock
  private readonly options: () => BudgetOptions
  private readonly requests = new Float64Array(horizon)
  private readonly retries = new Float64Array(horizon)
  private second = 0

  constructor (clock: Clock, options: () => BudgetOptions) {
    this.clock = clock
    this.options = options
    this.second = Math.floor(clock.now() / 1000)
  }

  /** A request came. */
  request (): void {
    this.turn()
    const at = this.second % horizon
    this.requests[at] = (this.requests[at] ?? 0) + 1
  }

  /** Takes one retry out of the budget; false when there is none left. */
  take (): boolean {
    this.turn()
    const { percent, minPerSecond } = this.options()
    const allowed = Math.max(sum(this.requests) * percent / 100, minPerSecond * horizon)
    if (sum(this.retries) + 1 > allowed) return false
    const at = this.second % horizon
    this.retries[at] = (this.retries[at] ?? 0) + 1
    return true
  }

  private turn (): void {
    const now = Math.floor(this.clock.now() / 1000)
    for (let passed = Math.min(now - this.second, horizon); passed > 0; passed--) {
      const at = (now - passed + 1) % horizon
      this.requests[at] = 0
      this.retries[at] = 0
    }
    this.second = Math.max(now, this.second)
  }
}

function sum (counts: Float64Array): number {
  let total = 0
  for (const count of counts) total += count
  return total
}
