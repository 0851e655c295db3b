// Sends a conversation where most of it was sent before, as long as the load stays balanced.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'
import { leastLoaded } from './choose.ts'
import type { Decision, Policy, PolicyContext, PrefixChain } from './policy.ts'
import { leading, PrefixIndex } from './prefix-index.ts'

/** Options of `cacheAware`; names, meanings and defaults are those of the reference router's flags where it has them. */
export interface CacheAwareOptions {
  /** Share of a conversation, 0 to 1, that a worker must hold for the request to go there: more than this. Default 0.3. */
  readonly cacheThreshold?: number
  /** The load is out of balance when the requests in flight of two candidates differ by more than this (default 64) … */
  readonly balanceAbsThreshold?: number
  /** … and the greater number is more than this many times the smaller. Default 1.5. */
  readonly balanceRelThreshold?: number
  /** Bytes of conversation remembered per worker. Default 2^25. */
  readonly maxTreeSize?: number
  /** Blocks remembered over all workers, each 60 to 70 bytes of memory. Default 2,000,000. */
  readonly maxIndexEntries?: number
}

/** Default of every option. */
export const cacheAwareDefaults: Required<CacheAwareOptions> = {
  cacheThreshold: 0.3,
  balanceAbsThreshold: 64,
  balanceRelThreshold: 1.5,
  maxTreeSize: 2 ** 25,
  maxIndexEntries: 2_000_000
}

/**
 * Out of balance: the least loaded candidate. Otherwise the least loaded holder of the longest known beginning of the
 * conversation, when that is more than `cacheThreshold` of it; otherwise the least loaded candidate, a random one of equals.
 * What a worker holds is learned from the requests it was sent: no worker is asked, and nothing here takes longer in a larger
 * fleet (with many holders, see `PrefixIndex.holder`).
 */
export function cacheAware (context: PolicyContext, options: CacheAwareOptions = {}): Policy {
  const { cacheThreshold, balanceAbsThreshold, balanceRelThreshold, maxTreeSize, maxIndexEntries } = { ...cacheAwareDefaults, ...options }
  const newIndex = (): PrefixIndex => new PrefixIndex({
    maxBytes: maxTreeSize, maxEntries: maxIndexEntries, salt: Math.floor(context.random() * 2 ** 32)
  })
  let index = newIndex()
  /** Workers that left: a late retry must not bring them back. */
  const removed = new WeakSet<Worker>()

  const unbalanced = ({ minInFlight: min, maxInFlight: max }: Candidates): boolean =>
    max - min > balanceAbsThreshold && max > min * balanceRelThreshold

  const share = ({ ends, length }: PrefixChain, depth: number): number =>
    depth === 0 || length === 0 ? 0 : Math.min(1, (ends[depth - 1] as number) / length)

  /** The least loaded candidate among the holders of the longest beginning that any candidate holds. */
  const find = (candidates: Candidates, chain: PrefixChain): Decision | undefined => {
    const { hashes } = chain
    const at = (depth: number): Worker | undefined =>
      depth === 0 ? undefined : index.holder(hashes[depth - 1] as number, candidates, context.random())
    let depth = index.depth(hashes)
    let worker = at(depth)
    if (worker === undefined && depth > 0) {
      // Only workers that cannot be picked now hold that much.
      depth = leading(depth - 1, i => at(i + 1) !== undefined)
      worker = at(depth)
    }
    return worker && { worker, reason: 'prefix_hit', match: share(chain, depth) }
  }

  const learn = (worker: Worker, prefix: PrefixChain): void => {
    if (worker.state !== 'gone' && !removed.has(worker)) index.insert(worker, prefix)
  }

  return {
    name: 'cache_aware',
    pick (candidates, routing) {
      if (unbalanced(candidates)) return { worker: leastLoaded(candidates, context.random()), reason: 'imbalance' }
      const chain = routing.prefix
      const hit = find(candidates, chain)
      if (hit?.match !== undefined && hit.match > cacheThreshold) return hit
      const worker = leastLoaded(candidates, context.random())
      return { worker, reason: 'prefix_miss', match: share(chain, index.depthOf(worker, chain.hashes)) }
    },
    dispatched: (worker, routing) => learn(worker, routing.prefix),
    heard: learn,
    workerAdded: worker => { removed.delete(worker) },
    workerRemoved (worker) {
      removed.add(worker)
      index.remove(worker)
    },
    flush: () => { index = newIndex() },
    size: worker => index.size(worker)
  }
}
