// Time that only passes when a test says so.
import { setImmediate } from 'node:timers/promises'
import type { Clock, Timer } from '../../core/clock.ts'

interface Due {
  readonly at: number
  readonly run: () => void
}

/** A clock for tests. Whatever a timer sets going has run to its next wait when `advance` goes on to the next timer. */
export class ManualClock implements Clock {
  private time = 0
  private readonly timers = new Set<Due>()

  now (): number {
    return this.time
  }

  after (delay: number, run: () => void): Timer {
    const due: Due = { at: this.time + Math.max(0, delay), run }
    this.timers.add(due)
    return { cancel: () => { this.timers.delete(due) } }
  }

  /** Timers that are set. */
  get pending (): number {
    return this.timers.size
  }

  /** Milliseconds until the next timer; undefined when none is set. */
  get nextIn (): number | undefined {
    const next = this.next()
    return next === undefined ? undefined : next.at - this.time
  }

  /** Lets time pass, and runs the timers that come due in their order. */
  async advance (milliseconds: number): Promise<void> {
    const end = this.time + milliseconds
    await setImmediate()
    for (let due = this.next(); due !== undefined && due.at <= end; due = this.next()) {
      this.timers.delete(due)
      this.time = Math.max(this.time, due.at)
      due.run()
      await setImmediate()
    }
    this.time = end
  }

  private next (): Due | undefined {
    let next: Due | undefined
    for (const due of this.timers) if (next === undefined || due.at < next.at) next = due
    return next
  }
}
