// Remembers which worker made which response, because only that worker can be asked for it again.

/** Response ids and the ids of their workers; the least recently used response is forgotten first. */
export class ResponseAffinity {
  private readonly capacity: number
  private readonly workers = new Map<string, string>()

  /** @param capacity most responses remembered; 0 remembers none */
  constructor (capacity: number) {
    this.capacity = capacity
  }

  /** Id of the worker that made a response. */
  get (response: string): string | undefined {
    const worker = this.workers.get(response)
    if (worker !== undefined) this.set(response, worker)
    return worker
  }

  set (response: string, worker: string): void {
    this.workers.delete(response)
    this.workers.set(response, worker)
    if (this.workers.size <= this.capacity) return
    const oldest = this.workers.keys().next()
    if (oldest.done !== true) this.workers.delete(oldest.value)
  }

  get size (): number {
    return this.workers.size
  }
}
