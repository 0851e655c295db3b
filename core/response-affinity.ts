// Remembers which worker made which response, because only that worker can be asked for it again.
import type { Worker } from './worker.ts'

/** Response ids and their workers; the least recently used id is forgotten first. */
export class ResponseAffinity {
  private readonly capacity: number
  private readonly byId = new Map<string, Worker>()

  /** @param capacity most ids remembered; 0 remembers none */
  constructor (capacity: number) {
    this.capacity = capacity
  }

  /** The worker that made a response, while it is part of the fleet. */
  get (id: string): Worker | undefined {
    const worker = this.byId.get(id)
    if (worker === undefined) return undefined
    this.byId.delete(id)
    if (worker.state === 'gone') return undefined
    this.byId.set(id, worker)
    return worker
  }

  set (id: string, worker: Worker): void {
    this.byId.delete(id)
    this.byId.set(id, worker)
    if (this.byId.size <= this.capacity) return
    const oldest = this.byId.keys().next()
    if (oldest.done !== true) this.byId.delete(oldest.value)
  }

  get size (): number {
    return this.byId.size
  }
}
