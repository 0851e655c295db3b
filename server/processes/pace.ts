// Sends what has gathered: soon, but not more often than allowed, and never before the last one is on its way.

/** One sender. */
export class Pace {
  private readonly intervalMs: number
  private readonly send: (sent: () => void) => void
  private timer: NodeJS.Timeout | undefined
  private due = false
  private busy = false
  private last = -Infinity

  /**
   * @param intervalMs least time between two sendings
   * @param send takes what has gathered; calls `sent` once the other side's queue has taken it
   */
  constructor (intervalMs: number, send: (sent: () => void) => void) {
    this.intervalMs = intervalMs
    this.send = send
  }

  /** There is something to be sent. */
  wake (): void {
    if (this.due) return
    this.due = true
    if (!this.busy) this.arm()
  }

  /** Sends what there is now, or as soon as the last is on its way. */
  soon (): void {
    if (this.busy) this.due = true
    else this.now()
  }

  /** Sends what there is now, whatever became of the last. */
  now (): void {
    clearTimeout(this.timer)
    this.due = false
    this.busy = true
    this.last = performance.now()
    this.send(() => {
      this.busy = false
      if (this.due) this.arm()
    })
  }

  stop (): void {
    clearTimeout(this.timer)
    this.due = true
    this.busy = true
  }

  private arm (): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.now(), Math.max(0, this.last + this.intervalMs - performance.now()))
    this.timer.unref()
  }
}
