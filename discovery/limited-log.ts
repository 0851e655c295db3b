// A log that strangers can cause lines in: a few are written, the rest are counted.
import type { Clock } from '../core/clock.ts'

/** Where lines go; a logger of pino fits. */
export interface SourceLog {
  info (details: object, message: string): void
  warn (details: object, message: string): void
}

/** Lines written in one window of time, in milliseconds. */
const linesPerWindow = 20
const windowMs = 10_000

/** Writes the first lines of each window; the first line of a later one tells how many were left out. */
export class LimitedLog implements SourceLog {
  private readonly log: SourceLog | undefined
  private readonly clock: Clock
  private windowEnd = -Infinity
  private written = 0
  private omitted = 0

  constructor (log: SourceLog | undefined, clock: Clock) {
    this.log = log
    this.clock = clock
  }

  info (details: object, message: string): void {
    if (this.mayWrite()) this.log?.info(details, message)
  }

  warn (details: object, message: string): void {
    if (this.mayWrite()) this.log?.warn(details, message)
  }

  private mayWrite (): boolean {
    const now = this.clock.now()
    if (now >= this.windowEnd) {
      this.windowEnd = now + windowMs
      this.written = 0
      if (this.omitted > 0) this.log?.warn({ omitted: this.omitted }, 'lines about registrations were left out')
      this.omitted = 0
    }
    if (this.written >= linesPerWindow) {
      this.omitted++
      return false
    }
    this.written++
    return true
  }
}
