// The workers that may be picked now, kept sorted by requests in flight so that the least loaded is found in constant time.
import type { Worker } from './worker.ts'

/**
 * An unchanging set of workers; a change of the fleet makes a new object. Only the order by load moves, one step a lease:
 * workers lie in one bucket per in-flight count, and a step moves a worker to the bucket beside.
 */
export class Candidates {
  readonly workers: readonly Worker[]
  /** The list this one was taken from with `without`; itself otherwise. What is costly to make for a list is made for this one. */
  readonly whole: Candidates
  private readonly buckets: Worker[][] = []
  private readonly place = new Map<Worker, number>()
  private low = 0
  private high = 0
  private sum = 0

  /** @param whole the list this is a part of; such a part lives for one choice and does not follow later leases */
  constructor (workers: readonly Worker[], whole?: Candidates) {
    this.workers = workers
    this.whole = whole ?? this
    this.low = workers.length > 0 ? Infinity : 0
    for (const worker of workers) {
      this.insert(worker, worker.inFlight)
      this.low = Math.min(this.low, worker.inFlight)
      this.high = Math.max(this.high, worker.inFlight)
      this.sum += worker.inFlight
      if (whole === undefined) worker.join(this)
    }
  }

  has (worker: Worker): boolean {
    return this.place.has(worker)
  }

  /** Smallest number of requests in flight on any candidate. */
  get minInFlight (): number {
    return this.low
  }

  /** Largest number of requests in flight on any candidate. */
  get maxInFlight (): number {
    return this.high
  }

  /** Requests in flight on all candidates together. */
  get inFlight (): number {
    return this.sum
  }

  /** A candidate with the fewest requests in flight; `random` (0 ≤ x < 1) decides between equals. Undefined when empty. */
  leastLoaded (random: number): Worker | undefined {
    const bucket = this.buckets[this.low]
    return bucket?.[Math.floor(random * bucket.length)]
  }

  /** The candidates but those in `tried`; the same list when none is left or none is taken away. Linear in the number of workers. */
  without (tried: ReadonlySet<Worker>): Candidates {
    if (tried.size === 0) return this
    const rest = this.workers.filter(worker => !tried.has(worker))
    return rest.length === 0 || rest.length === this.workers.length ? this : new Candidates(rest, this.whole)
  }

  /** Called by a worker whose in-flight count went from `before` to its present value, one step up or down. */
  moved (worker: Worker, before: number): void {
    const bucket = this.buckets[before]
    const at = this.place.get(worker)
    if (bucket === undefined || at === undefined) return
    const last = bucket.pop()
    if (last !== undefined && last !== worker) {
      bucket[at] = last
      this.place.set(last, at)
    }
    const now = worker.inFlight
    this.sum += now - before
    this.insert(worker, now)
    if (now < this.low || (before === this.low && bucket.length === 0)) this.low = now
    if (now > this.high || (before === this.high && bucket.length === 0)) this.high = now
  }

  /** The list is replaced: workers stop telling it. */
  dispose (): void {
    for (const worker of this.workers) worker.leave(this)
  }

  private insert (worker: Worker, inFlight: number): void {
    let bucket = this.buckets[inFlight]
    if (bucket === undefined) {
      while (this.buckets.length < inFlight) this.buckets.push([])
      bucket = this.buckets[inFlight] = []
    }
    this.place.set(worker, bucket.push(worker) - 1)
  }
}
