// A clock that can be made to go slower: a worker on it does everything so many times slower.
import { systemClock } from '../../core/clock.ts'
import type { Clock, Timer } from '../../core/clock.ts'

/** The machine's clock, divided by a factor. */
export class SlowClock implements Clock {
  private factor = 1
  private base = systemClock.now()
  private since = this.base

  now (): number {
    return this.base + (systemClock.now() - this.since) / this.factor
  }

  after (delay: number, run: () => void): Timer {
    return systemClock.after(delay * this.factor, run)
  }

  /** From now on time goes so many times slower. */
  slow (factor: number): void {
    this.base = this.now()
    this.since = systemClock.now()
    this.factor = factor
  }
}
