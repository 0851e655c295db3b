// Counts the prompt tokens that prefill workers were given and have not computed yet, as the router estimates them.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'

/** Each part is begun and ended by whoever brought it; what is kept is as much as there are parts under way. */
export class PromptBacklog {
  private readonly pending = new Map<Worker, number>()
  private readonly parts = new Map<object, { readonly worker: Worker, readonly tokens: number }>()

  /** A worker was given so many tokens to compute. `part` stands for them until they are done; one that goes on already does so with these. */
  begun (part: object, worker: Worker, tokens: number): void {
    this.ended(part)
    this.parts.set(part, { worker, tokens })
    this.pending.set(worker, this.of(worker) + tokens)
  }

  /** The part is done, or given up. */
  ended (part: object): void {
    const found = this.parts.get(part)
    if (found === undefined) return
    this.parts.delete(part)
    const { worker, tokens } = found
    const left = this.of(worker) - tokens
    // sums of fractions are not exact
    if (left > 1e-6) this.pending.set(worker, left)
    else this.pending.delete(worker)
  }

  /** Tokens that are before a worker. */
  of (worker: Worker): number {
    return this.pending.get(worker) ?? 0
  }

  /** Tokens before the candidate with the fewest requests in flight; 0 where there is none. */
  least (candidates: Candidates): number {
    const worker = candidates.leastLoaded(0)
    return worker === undefined ? 0 : this.of(worker)
  }

  /** Workers that have any. */
  get size (): number {
    return this.pending.size
  }
}
