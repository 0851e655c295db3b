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
  private counted: { serving: number, elsewhere: number, others: Worker[] } | undefined

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
    registry.on('elsewhere', worker => {
      this.moved(worker)
      recount()
    })
    registry.on('held', (_worker, cause) => { if (cause !== 'full') recount() })
    registry.on('unheld', (_worker, cause) => { if (cause !== 'full') recount() })
  }

  /**
   * Requests that this process may have in flight: what serving workers may have beside those of other processes, and what it still
   * has on others. No bound where none is set, or where nobody serves: nothing is worth waiting for then.
   */
  get capacity (): number {
    const limit = this.limit()
    if (limit === 0) return Infinity
    this.counted ??= this.count()
    const { serving, elsewhere, others } = this.counted
    if (serving === 0) return Infinity
    let capacity = serving * limit - elsewhere
    for (const worker of others) capacity += worker.inFlight - worker.elsewhere
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

  private count (): { serving: number, elsewhere: number, others: Worker[] } {
    const workers = this.registry.list()
    const serving = workers.filter(serves)
    return {
      serving: serving.length,
      elsewhere: serving.reduce((sum, worker) => sum + Math.min(worker.elsewhere, this.limit()), 0),
      others: workers.filter(worker => !serves(worker) && worker.inFlight > worker.elsewhere)
    }
  }
}
