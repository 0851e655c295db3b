// Gathers the conversations that a process sent to workers, for the others to know; the oldest are dropped where they come too fast.
import type { Prefixes } from './messages.ts'

/**
 * Hashes that wait at most for the next report, 20 of which are sent in a second: prompts of 4 KiB at 10,000 requests a second in each
 * process. Another process takes them in within a few milliseconds of its time.
 */
export const maxHashes = 8192

/** Dropped entries that may lie around before the list is made anew. */
const slack = 1024

interface Entry {
  readonly worker: number
  readonly hashes: readonly number[]
}

/** What waits to be told. */
export class PrefixBatch {
  /** Conversations that were dropped. */
  dropped = 0
  private entries: Entry[] = []
  /** Where the entries begin that are not dropped. */
  private first = 0
  private total = 0

  add (worker: number, hashes: readonly number[]): void {
    if (hashes.length === 0) return
    this.entries.push({ worker, hashes })
    this.total += hashes.length
    while (this.total > maxHashes && this.first < this.entries.length - 1) {
      this.total -= (this.entries[this.first++] as Entry).hashes.length
      this.dropped++
    }
    if (this.first > slack && this.first > this.entries.length / 2) {
      this.entries = this.entries.slice(this.first)
      this.first = 0
    }
  }

  /** Takes all out. */
  take (): Prefixes | undefined {
    if (this.entries.length === 0) return undefined
    const entries = this.entries.slice(this.first)
    const workers = new Uint32Array(entries.length)
    const lengths = new Uint32Array(entries.length)
    const hashes = new Float64Array(this.total)
    let at = 0
    entries.forEach((entry, i) => {
      workers[i] = entry.worker
      lengths[i] = entry.hashes.length
      hashes.set(entry.hashes, at)
      at += entry.hashes.length
    })
    this.entries = []
    this.first = 0
    this.total = 0
    return { workers, lengths, hashes }
  }
}

/** Each conversation of a batch. */
export function * eachPrefix ({ workers, lengths, hashes }: Prefixes): Generator<[worker: number, hashes: number[]]> {
  let at = 0
  for (let i = 0; i < workers.length; i++) {
    const end = at + (lengths[i] ?? 0)
    yield [workers[i] ?? 0, [...hashes.subarray(at, end)]]
    at = end
  }
}
