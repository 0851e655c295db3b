// Finds, for a candidate list, a set of workers that has all of it: what is costly to make for a set outlives the many lists made of it.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'

/** Covers that new lists are compared with. */
const remembered = 8
/** A cover may have so many times the workers of a list: whoever goes through it passes over those that are not in the list. */
const looseness = 2

/** Workers, some of whom may not be candidates now. */
export class Cover {
  readonly workers: readonly Worker[]
  private readonly members: ReadonlySet<Worker>

  constructor (workers: readonly Worker[]) {
    this.workers = workers
    this.members = new Set(workers)
  }

  has (worker: Worker): boolean {
    return this.members.has(worker)
  }

  /** Whether it has all of a list. */
  hasAll ({ workers }: Candidates): boolean {
    return workers.every(worker => this.members.has(worker))
  }
}

/**
 * A candidate list is replaced whenever a worker is held back or comes back, which where requests on a worker are bounded is with nearly
 * every request. Its cover stays as long as the fleet does.
 */
export class ListCovers {
  private readonly covers = new WeakMap<Candidates, Cover>()
  /** In the order they came, which is that of candidate lists. */
  private readonly known = new Map<Worker, number>()
  private recent: Cover[] = []
  private came = 0

  /** The cover of a list, or of the list that it is a part of. */
  of (candidates: Candidates): Cover {
    const { whole } = candidates
    let cover = this.covers.get(whole)
    if (cover === undefined) {
      cover = this.find(whole)
      this.covers.set(whole, cover)
    }
    return cover
  }

  /** The worker comes. */
  add (worker: Worker): void {
    if (!this.known.has(worker)) this.known.set(worker, this.came++)
  }

  /** The worker is gone: nothing is made anew of a set that has it. */
  remove (worker: Worker): void {
    this.known.delete(worker)
    this.recent = this.recent.filter(cover => !cover.has(worker))
  }

  private find (list: Candidates): Cover {
    const most = looseness * list.workers.length
    let cover = this.recent.find(one => one.workers.length <= most && one.hasAll(list))
    if (cover === undefined) {
      cover = this.make(list, most)
      const { workers } = cover
      // what is part of it now is not needed any more
      this.recent = this.recent.filter(one => one.workers.length > workers.length || !one.workers.every(worker => cover?.has(worker)))
    }
    this.recent = [cover, ...this.recent.filter(one => one !== cover)].slice(0, remembered)
    return cover
  }

  /** All workers if that is not too many, else those of a list before and of this one, else those of this one. */
  private make (list: Candidates, most: number): Cover {
    const before = [[...this.known.keys()], ...this.recent.map(({ workers }) => workers)]
    for (const workers of before) {
      const all = new Set([...workers, ...list.workers])
      if (all.size <= most) return new Cover([...all].sort((one, other) => this.orderOf(one) - this.orderOf(other)))
    }
    return new Cover(list.workers)
  }

  private orderOf (worker: Worker): number {
    return this.known.get(worker) ?? Infinity
  }
}
