// Time as the rest of the router sees it: handed in, so that tests and replays can bring their own.

/** A started timer; `cancel` is safe to call at any time, any number of times. */
export interface Timer {
  cancel (): void
}

/** A source of time. */
export interface Clock {
  /** Milliseconds on a monotonic scale; only differences mean something. */
  now (): number
  /** Calls `run` once, `delay` milliseconds from now. */
  after (delay: number, run: () => void): Timer
}

/** The machine's own clock; its timers never keep a process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after (delay, run) {
    const timer = setTimeout(run, delay)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  }
}
