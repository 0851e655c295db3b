// Keeps a conversation on the worker whose hash together with its key is highest: the best balance, at a price per new key.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'
import { fullAt } from './bounded-load.ts'
import type { BoundedLoadOptions } from './bounded-load.ts'
import { anyCandidate, leastLoaded } from './choose.ts'
import type { Policy, PolicyContext } from './policy.ts'
import { ringHashInto } from './ring-hash.ts'
import { kept, routingKey } from './routing-key.ts'
import type { KeyOptions } from './routing-key.ts'

/** Keys remembered per candidate list, the least recently used forgotten first. */
const remembered = 10_000
/** Best workers of a key that are remembered where the first may have too much. */
const ranks = 4

const rival = new Uint32Array(2)
const places = new Uint32Array(2 * ranks)

/** The `count` candidates (up to 4) with the highest `ringHash('<key>:<worker id>')`, compared unsigned; equal hashes: the greater id first. */
function highest (candidates: Candidates, key: string, count: number): Worker[] {
  const winners: Worker[] = []
  for (const worker of candidates.workers) {
    ringHashInto(`${key}:${worker.id}`, rival, 0)
    let rank = winners.length
    while (rank > 0 && precedes(worker, winners[rank - 1] as Worker, rank - 1)) rank--
    if (rank >= count) continue
    for (let below = Math.min(winners.length, count - 1); below > rank; below--) {
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
 * Rendezvous hashing asks every candidate by nature, so the first request of a key takes time linear in their number (about
 * half a microsecond each); the answer is kept while the candidates stay the same, for up to 10,000 keys. With bounded loads a
 * key goes to the first of its four best workers that has no more than its share, else to the least loaded candidate. A request
 * without a key goes to a random candidate.
 */
export function rendezvousHash (context: PolicyContext, { sessionHeaders, hashBalanceFactor = 0 }: KeyOptions & BoundedLoadOptions = {}): Policy {
  const answers = new WeakMap<Candidates, Map<string, readonly Worker[]>>()
  const count = hashBalanceFactor === 0 ? 1 : ranks

  /** The best workers of a key, best first. */
  const best = (candidates: Candidates, key: string): readonly Worker[] => {
    // a part of a list is asked once, for a repeated attempt: not worth remembering
    if (candidates !== candidates.whole) return highest(candidates, key, count)
    let known = answers.get(candidates)
    if (known === undefined) answers.set(candidates, known = new Map())
    let workers = known.get(key)
    if (workers === undefined) {
      workers = highest(candidates, key, count)
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
      const found = routingKey(routing, sessionHeaders)
      if (found === undefined) return { worker: anyCandidate(candidates, context.random()), reason: 'no_key' }
      const workers = best(candidates, kept(found.key))
      const full = fullAt(candidates, hashBalanceFactor)
      const worker = workers.find(worker => worker.inFlight < full)
      if (worker === undefined) return { worker: leastLoaded(candidates, context.random()), reason: 'imbalance', session: found.reason }
      return { worker, reason: worker === workers[0] ? found.reason : 'imbalance', session: found.reason }
    }
  }
}
