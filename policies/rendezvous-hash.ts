// Keeps a conversation on the worker whose hash together with its key is highest: the best balance, at a price per new key.
import type { Worker } from '../core/worker.ts'
import { fullAt } from './bounded-load.ts'
import type { BoundedLoadOptions } from './bounded-load.ts'
import { anyCandidate, leastLoaded } from './choose.ts'
import { ListCovers } from './list-covers.ts'
import type { Cover } from './list-covers.ts'
import type { Policy, PolicyContext } from './policy.ts'
import { ringHashInto } from './ring-hash.ts'
import { headersOf, kept, routingKey } from './routing-key.ts'
import type { KeyOptions } from './routing-key.ts'

/** Keys remembered per set of workers, the least recently used forgotten first. */
const remembered = 10_000
/** Best workers of a key that are remembered: the first may not be a candidate now, or have too much. */
const ranks = 4

const rival = new Uint32Array(2)
const places = new Uint32Array(2 * ranks)

/** The four workers with the highest `ringHash('<key>:<worker id>')`, compared unsigned; equal hashes: the greater id first. */
function highest (workers: readonly Worker[], key: string): Worker[] {
  const winners: Worker[] = []
  for (const worker of workers) {
    ringHashInto(`${key}:${worker.id}`, rival, 0)
    let rank = winners.length
    while (rank > 0 && precedes(worker, winners[rank - 1] as Worker, rank - 1)) rank--
    if (rank >= ranks) continue
    for (let below = Math.min(winners.length, ranks - 1); below > rank; below--) {
      places.copyWithin(2 * below, 2 * below - 2, 2 * below)
      winners[below] = winners[below - 1] as Worker
    }
    places.set(rival, 2 * rank)
    winners[rank] = worker
  }
  return winners
}

function precedes (worker: Worker, other: Worker, rank: number): boolean {
  const order = (rival[0] as number) - (places[2 * rank] as number) || (rival[1] as number) - (places[2 * rank + 1] as number)
  return order > 0 || (order === 0 && worker.id > other.id)
}

/**
 * Rendezvous hashing asks every worker by nature, so the first request of a key takes time linear in their number (about half a
 * microsecond each); the four best are kept, for up to 10,000 keys, as long as no worker comes or goes. The best that is a candidate gets
 * the request; with bounded loads the best that has no more than its share, and if none of the four, the least loaded candidate. A
 * request without a key goes to a random candidate.
 */
export function rendezvousHash (context: PolicyContext, options: KeyOptions & BoundedLoadOptions = {}): Policy {
  const { hashBalanceFactor = 0 } = options
  const headers = headersOf(options)
  const covers = new ListCovers()
  const answers = new WeakMap<Cover, Map<string, readonly Worker[]>>()

  /** The best of a cover's workers, best first. */
  const best = (cover: Cover, key: string): readonly Worker[] => {
    let known = answers.get(cover)
    if (known === undefined) answers.set(cover, known = new Map())
    let workers = known.get(key)
    if (workers === undefined) {
      workers = highest(cover.workers, key)
      const oldest = known.keys().next()
      if (known.size >= remembered && oldest.done !== true) known.delete(oldest.value)
    } else {
      known.delete(key)
    }
    known.set(key, workers)
    return workers
  }

  return {
    name: 'rendezvous_hash',
    pick (candidates, routing) {
      const found = routingKey(routing, headers)
      if (found === undefined) return { worker: anyCandidate(candidates, context.random()), reason: 'no_key' }
      const key = kept(found.key)
      const full = fullAt(candidates, hashBalanceFactor)
      const ranked = best(covers.of(candidates), key)
      const [first] = ranked
      if (first !== undefined && candidates.has(first) && first.inFlight < full) return { worker: first, reason: found.reason, session: found.reason }
      let workers = ranked.filter(worker => candidates.has(worker))
      // so many are held back: seldom, and not worth remembering
      if (workers.length === 0) workers = highest(candidates.workers, key)
      const worker = workers.find(worker => worker.inFlight < full)
      if (worker === undefined) return { worker: leastLoaded(candidates, context.random()), reason: 'imbalance', session: found.reason }
      return { worker, reason: worker === workers[0] ? found.reason : 'imbalance', session: found.reason }
    },
    workerAdded: worker => { covers.add(worker) },
    workerRemoved: worker => { covers.remove(worker) }
  }
}
