// Time that passes only when told to, so that hours of traffic are simulated in seconds and always in the same order.
import type { Clock, Timer } from '../core/clock.ts'

class Entry implements Timer {
  readonly due: number
  readonly order: number
  run: (() => void) | undefined

  constructor (due: number, order: number, run: () => void) {
    this.due = due
    this.order = order
    this.run = run
  }

  cancel (): void {
    this.run = undefined
  }

  before (other: Entry): boolean {
    return this.due < other.due || (this.due === other.due && this.order < other.order)
  }
}

/** A clock in virtual milliseconds, starting at 0. Timers due at the same time run in the order they were started. */
export class VirtualClock implements Clock {
  private time = 0
  private started = 0
  private readonly heap: Entry[] = []

  now (): number {
    return this.time
  }

  after (delay: number, run: () => void): Timer {
    const entry = new Entry(this.time + Math.max(0, delay), this.started++, run)
    let at = this.heap.push(entry) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = this.heap[above]
      if (parent === undefined || parent.before(entry)) break
      this.heap[at] = parent
      at = above
    }
    this.heap[at] = entry
    return entry
  }

  /**
   * Runs every timer due at or before `until` (milliseconds on this clock), those started meanwhile included, and leaves the
   * time at `until`. Without `until`: until no timer is left. Tells how many timers ran.
   */
  run (until = Infinity): number {
    let ran = 0
    for (let next = this.heap[0]; next !== undefined && next.due <= until; next = this.heap[0]) {
      this.removeFirst()
      if (next.run === undefined) continue
      this.time = next.due
      next.run()
      ran++
    }
    if (until !== Infinity) this.time = Math.max(this.time, until)
    return ran
  }

  /** Timers started that neither ran nor were cancelled. */
  get pending (): number {
    let count = 0
    for (const entry of this.heap) if (entry.run !== undefined) count++
    return count
  }

  private removeFirst (): void {
    const last = this.heap.pop()
    const size = this.heap.length
    if (last === undefined || size === 0) return
    let at = 0
    while (true) {
      let below = 2 * at + 1
      let child = this.heap[below]
      const right = this.heap[below + 1]
      if (child === undefined) break
      if (right !== undefined && right.before(child)) {
        child = right
        below++
      }
      if (last.before(child)) break
      this.heap[at] = child
      at = below
    }
    this.heap[at] = last
  }
}
