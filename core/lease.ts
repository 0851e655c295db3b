// One request's hold on one worker, from the choice to the end: counted once, given back once.
import type { WorkerRegistry } from './registry.ts'
import type { Worker } from './worker.ts'

/** Holds a worker for a request. Whoever leases must `end` it, whatever happens; a second `end` does nothing. */
export class Lease {
  readonly worker: Worker
  private readonly registry: WorkerRegistry
  private held = true

  constructor (registry: WorkerRegistry, worker: Worker) {
    this.registry = registry
    this.worker = worker
    worker.acquire()
  }

  /** Gives the worker back; true the first time. */
  end (): boolean {
    if (!this.held) return false
    this.held = false
    this.worker.release()
    this.registry.released(this.worker)
    return true
  }
}
