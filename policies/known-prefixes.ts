// What workers probably have in their KV caches: the conversations they were sent, as much of them as their caches hold.
import type { Worker } from '../core/worker.ts'
import type { OutstandingWork } from './outstanding-work.ts'
import type { PrefixChain } from './policy.ts'
import { PrefixIndex } from './prefix-index.ts'

/** Bounds of what is remembered. */
export interface KnownPrefixesOptions {
  /** Bytes of conversation remembered per worker, less where its KV cache is known to hold less. Default 2^25. */
  readonly maxTreeSize?: number
  /** Blocks remembered over all workers, each about 80 bytes of memory. Default 2,000,000. */
  readonly maxIndexEntries?: number
}

/** What so many different conversations begin with will be needed again, wherever it is computed. */
const common = 8

/** Default of every option. */
export const knownPrefixesDefaults: Required<KnownPrefixesOptions> = { maxTreeSize: 2 ** 25, maxIndexEntries: 2_000_000 }

/** A prefix index for each worker of the size of its KV cache, so that what an engine has evicted is forgotten here at about the same time. */
export class KnownPrefixes {
  index: PrefixIndex
  private readonly newIndex: () => PrefixIndex
  private readonly work: OutstandingWork

  /** @param work knows how many bytes make a token, and who has left */
  constructor (options: KnownPrefixesOptions, work: OutstandingWork, random: () => number) {
    const { maxTreeSize, maxIndexEntries } = { ...knownPrefixesDefaults, ...options }
    this.work = work
    this.newIndex = () => new PrefixIndex({ maxBytes: maxTreeSize, maxEntries: maxIndexEntries, salt: Math.floor(random() * 2 ** 32) })
    this.index = this.newIndex()
  }

  /** Bytes of a conversation's beginning that a worker has. */
  bytes (worker: Worker, { hashes, ends }: PrefixChain): number {
    const depth = this.index.depthOf(worker, hashes)
    return depth === 0 ? 0 : ends[depth - 1] as number
  }

  /**
   * What computing the longest known beginning once more counts: 1, or less, down to nothing, where so many conversations begin with it, such as with a
   * system prompt that all share, that more workers than have it will need it. A beginning deserves the same share of the workers as it has of all conversations.
   * @param depth blocks of the chain that somebody has
   * @param workers how many there are
   */
  again (hashes: readonly number[], depth: number, workers: number): number {
    const { index } = this
    const last = hashes[depth - 1]
    const ways = last === undefined ? 0 : index.continuations(last)
    if (last === undefined || ways < 2) return 1
    if (index.holders(last) >= ways / index.conversations * workers) return 1
    return ways < common ? 1 / ways : 0
  }

  /** A worker was sent a conversation. */
  sent (worker: Worker, chain: PrefixChain): void {
    if (this.work.left(worker)) return
    const { kvTokens } = worker
    this.index.insert(worker, chain, kvTokens === undefined ? undefined : this.work.bytes(kvTokens))
  }

  remove (worker: Worker): void {
    this.index.remove(worker)
  }

  flush (): void {
    this.index = this.newIndex()
  }
}
