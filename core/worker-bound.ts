// Bounds the requests in flight on each worker: one that has as many as it may is held back, and the fleet's capacity is known.
import type { WorkerRegistry } from './registry.ts'
import type { Worker } from './worker.ts'

/** Takes requests, or would if it had fewer. */
function serves (worker: Worker): boolean {
  if (worker.role === 'prefill' || worker.state !== 'ready') return false
  return worker.holds.size === 0 || (worker.holds.size === 1 && worker.holds.has('full'))
}

/** Told when a worker is taken and given back, it holds full workers in the registry. */
export class WorkerBound {
  private readonly registry: WorkerRegistry
  private readonly limit: () => number
  private counted: { serving: number, others: Worker[] } | undefined

  /**
   * @param limit requests a worker may have at a time; 0 = any number
   * @param changed told when the fleet changed, so that capacity may have grown
   */
  constructor (registry: WorkerRegistry, limit: () => number, changed: () => void) {
    this.registry = registry
    this.limit = limit
    const recount = (): void => {
      this.counted = undefined
      if (this.limit() > 0) changed()
    }
    registry.on('added', recount)
    registry.on('changed', recount)
    registry.on('removed', recount)
    registry.on('held', (_worker, cause) => { if (cause !== 'full') recount() })
    registry.on('unheld', (_worker, cause) => { if (cause !== 'full') recount() })
  }

  /**
   * Requests that may be in flight: what serving workers may have, and what others still have. No bound where none is set, or
   * where nobody serves: nothing is worth waiting for then.
   */
  get capacity (): number {
    const limit = this.limit()
    if (limit === 0) return Infinity
    this.counted ??= this.count()
    const { serving, others } = this.counted
    if (serving === 0) return Infinity
    let capacity = serving * limit
    for (const worker of others) capacity += worker.inFlight
    return capacity
  }

  /** A worker was taken, or given back. */
  moved (worker: Worker): void {
    const limit = this.limit()
    if (limit > 0 && worker.inFlight >= limit) {
      if (worker.state !== 'gone') this.registry.hold(worker, 'full')
    } else if (worker.holds.has('full')) this.registry.unhold(worker, 'full')
  }

  /** The limit changed. */
  review (): void {
    for (const worker of this.registry.list()) this.moved(worker)
  }

  private count (): { serving: number, others: Worker[] } {
    const workers = this.registry.list()
    return { serving: workers.filter(serves).length, others: workers.filter(worker => !serves(worker) && worker.inFlight > 0) }
  }
}
