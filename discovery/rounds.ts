// Visits every server of the fleet again and again, a bounded number at a time, for those who ask workers something regularly.
import type { Clock, Timer } from '../core/clock.ts'
import type { WorkerRegistry } from '../core/registry.ts'
import type { Worker } from '../core/worker.ts'

/** Visits under way at the same time, over the whole fleet: enough for 1,000 workers that each take seconds, few enough for sockets. */
const concurrency = 64

interface Visit {
  readonly url: string
  timer: Timer | undefined
  running: boolean
  /** Asked for again while it ran. */
  again: boolean
}

/** What rounds are made of. */
export interface RoundsOptions {
  registry: WorkerRegistry
  clock: Clock
  /** Uniform in [0, 1), for jitter. */
  random: () => number
  /** One visit to a base URL; resolves to the milliseconds until the next. Must not reject. */
  visit: (url: string) => Promise<number>
}

/** One endless series of visits a server: the first at once, each next one when the last said (± 10 %), all spread by chance. */
export class Rounds {
  private readonly options: RoundsOptions
  private readonly visits = new Map<string, Visit>()
  private readonly waiting: Visit[] = []
  private active = 0
  private stopped = true

  constructor (options: RoundsOptions) {
    this.options = options
  }

  start (): void {
    this.stopped = false
    this.options.registry.on('added', this.onAdded)
    this.options.registry.on('removed', this.onRemoved)
    for (const url of this.options.registry.urls()) this.soon(url)
  }

  stop (): void {
    this.stopped = true
    this.options.registry.off('added', this.onAdded)
    this.options.registry.off('removed', this.onRemoved)
    for (const visit of this.visits.values()) visit.timer?.cancel()
    this.visits.clear()
    this.waiting.length = 0
  }

  /** Visits now instead of when it was due; while a visit runs, right after it. */
  soon (url: string): void {
    if (this.stopped) return
    let visit = this.visits.get(url)
    if (visit === undefined) {
      visit = { url, timer: undefined, running: false, again: false }
      this.visits.set(url, visit)
    }
    if (visit.running) {
      visit.again = true
      return
    }
    visit.timer?.cancel()
    visit.running = true
    this.waiting.push(visit)
    this.next()
  }

  private readonly onAdded = (worker: Worker): void => {
    if (!this.visits.has(worker.url)) this.soon(worker.url)
  }

  private readonly onRemoved = (worker: Worker): void => {
    if (this.options.registry.at(worker.url).length > 0) return
    this.visits.get(worker.url)?.timer?.cancel()
    this.visits.delete(worker.url)
  }

  private next (): void {
    while (this.active < concurrency) {
      const visit = this.waiting.shift()
      if (visit === undefined) return
      // its server left while it waited; one of the same URL that came since has a visit of its own
      if (this.visits.get(visit.url) !== visit) continue
      this.active++
      void this.options.visit(visit.url).then(delay => {
        this.active--
        this.finished(visit, delay)
        this.next()
      })
    }
  }

  private finished (visit: Visit, delay: number): void {
    const { url } = visit
    if (this.visits.get(url) !== visit) return
    visit.running = false
    if (visit.again) {
      visit.again = false
      this.soon(url)
      return
    }
    const jittered = delay * (0.9 + 0.2 * this.options.random())
    visit.timer = this.options.clock.after(jittered, () => this.soon(url))
  }
}
