// Sends a conversation where most of it was sent before, as long as that worker has not much more to do than another.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'
import { candidateAt, leastLoaded } from './choose.ts'
import { KnownPrefixes, knownPrefixesDefaults } from './known-prefixes.ts'
import type { KnownPrefixesOptions } from './known-prefixes.ts'
import { OutstandingWork } from './outstanding-work.ts'
import type { Decision, Policy, PolicyContext } from './policy.ts'
import { leading } from './prefix-index.ts'

/** Options of `cacheAware`; names are those of the reference router's flags where it has them. */
export interface CacheAwareOptions extends KnownPrefixesOptions {
  /** Share of a conversation, 0 to 1, that a worker must hold for the request to go there: more than this. Default 0.3. */
  readonly cacheThreshold?: number
  /** The load is out of balance when the worker that holds it has more to do than the least loaded candidate by more than this, in requests (default 8) … */
  readonly balanceAbsThreshold?: number
  /** … and more than this many times as much. Default 1.5. */
  readonly balanceRelThreshold?: number
}

/** Default of every option. */
export const cacheAwareDefaults: Required<CacheAwareOptions> = {
  cacheThreshold: 0.3,
  balanceAbsThreshold: 8,
  balanceRelThreshold: 1.5,
  ...knownPrefixesDefaults
}

/** Holders of the longest beginning that are compared. */
const holders = 8

/**
 * The least loaded holder of the longest known beginning of the conversation, when that is more than `cacheThreshold` of it and its load is not out
 * of balance; otherwise the least loaded candidate. Load is what is still to do: requests in flight, and the prompts among them that are not
 * computed yet, in average prompts. It is charged when a request is sent, so a burst does not go where the last one went.
 */
export function cacheAware (context: PolicyContext, options: CacheAwareOptions = {}): Policy {
  const { cacheThreshold, balanceAbsThreshold, balanceRelThreshold } = { ...cacheAwareDefaults, ...options }
  const work = new OutstandingWork(context.now)
  const { loads } = work
  const known = new KnownPrefixes(options, work, context.random)

  /** What a worker has to do, in requests: those in flight, and the prompts among them that are not computed, in average prompts. */
  const load = (worker: Worker): number => worker.inFlight + loads.pendingAt(work.slotOf(worker)) / work.promptTokens

  /** The least loaded of the one with the fewest requests in flight and of 32 candidates in a row. */
  const coldest = (candidates: Candidates): Worker => {
    const random = context.random()
    const fewest = leastLoaded(candidates, random)
    if (load(fewest) === 0) return fewest
    const other = candidateAt(candidates, loads.idlest(work.slotsOf(candidates), work.promptTokens, random))
    return load(other) < load(fewest) ? other : fewest
  }

  return {
    name: 'cache_aware',
    wantsKvTokens: true,
    pick (candidates, { prefix }): Decision {
      const { hashes, ends, length } = prefix
      const cold = coldest(candidates)
      const held = (depth: number): Worker[] => depth === 0 ? [] : known.index.holdersOf(hashes[depth - 1] as number, holders, candidates)
      let depth = known.index.depth(hashes)
      let warm = held(depth)
      if (warm.length === 0 && depth > 0) {
        // only workers that cannot be picked now hold that much
        depth = leading(depth - 1, at => held(at + 1).length > 0)
        warm = held(depth)
      }
      const share = depth === 0 ? 0 : Math.min(1, (ends[depth - 1] as number) / length)
      const coldBytes = known.bytes(cold, prefix)
      const coldShare = length === 0 ? 0 : Math.min(1, coldBytes / length)
      // the least loaded has as much of it as anybody
      if (coldShare >= share && share > cacheThreshold) return { worker: cold, reason: 'prefix_hit', match: share }
      if (share > cacheThreshold) {
        // of equals any: they stand in the order of their last requests
        const start = Math.floor(context.random() * warm.length)
        let best = warm[start]
        for (let at = 0; at < warm.length; at++) {
          const other = warm[(start + at) % warm.length]
          if (best !== undefined && other !== undefined && load(other) < load(best)) best = other
        }
        if (best !== undefined && known.again(hashes, depth, candidates.workers.length) === 1) {
          const most = load(best)
          const least = load(cold)
          const unbalanced = most - least > balanceAbsThreshold && most > least * balanceRelThreshold
          if (!unbalanced) return { worker: best, reason: 'prefix_hit', match: share }
          return { worker: cold, reason: 'imbalance', match: coldShare }
        }
      }
      return { worker: cold, reason: 'prefix_miss', match: coldShare }
    },
    dispatched (worker, routing) {
      if (work.left(worker)) return
      const { prefix } = routing
      work.dispatched(worker, routing, work.tokens(prefix.length - known.bytes(worker, prefix)))
      known.sent(worker, prefix)
    },
    heard: (worker, chain) => { known.sent(worker, chain) },
    firstByte: (worker, routing) => { work.firstByte(worker, routing) },
    finished: (worker, routing, how) => { work.finished(worker, routing, how) },
    workerAdded: worker => { work.added(worker) },
    workerRemoved (worker) {
      work.remove(worker)
      known.remove(worker)
    },
    workerLost (worker) {
      work.restarted(worker)
      known.remove(worker)
    },
    flush: () => { known.flush() },
    size: worker => known.index.size(worker)
  }
}
