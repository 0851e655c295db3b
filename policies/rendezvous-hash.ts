// Keeps a conversation on the worker whose hash together with its key is highest: the best balance, at a price per new key.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'
import { anyCandidate, candidateAt } from './choose.ts'
import type { Policy, PolicyContext } from './policy.ts'
import { ringHashHex, ringHashInto } from './ring-hash.ts'
import { routingKey } from './routing-key.ts'

/** Keys remembered per candidate list, the least recently used forgotten first. */
const remembered = 10_000
/** Keys longer than this, in characters, count by their hash: what a client sends is not to be hashed once for every worker. */
const longestKey = 256

const best = new Uint32Array(2)
const rival = new Uint32Array(2)

/** The candidate with the highest `ringHash('<key>:<worker id>')`, compared unsigned; equal hashes: the greater id. */
function highest (candidates: Candidates, key: string): Worker {
  let winner = candidateAt(candidates, 0)
  ringHashInto(`${key}:${winner.id}`, best, 0)
  for (const worker of candidates.workers) {
    ringHashInto(`${key}:${worker.id}`, rival, 0)
    const order = (rival[0] as number) - (best[0] as number) || (rival[1] as number) - (best[1] as number)
    if (order > 0 || (order === 0 && worker.id > winner.id)) {
      best.set(rival)
      winner = worker
    }
  }
  return winner
}

/**
 * Rendezvous hashing asks every candidate by nature, so the first request of a key takes time linear in their number (about
 * half a microsecond each); the answer is kept while the candidates stay the same, for up to 10,000 keys. A request without
 * a key goes to a random candidate.
 */
export function rendezvousHash (context: PolicyContext): Policy {
  const answers = new WeakMap<Candidates, Map<string, Worker>>()
  return {
    name: 'rendezvous_hash',
    pick (candidates, routing) {
      const found = routingKey(routing)
      if (found === undefined) return { worker: anyCandidate(candidates, context.random()), reason: 'no_key' }
      // a part of a list is asked once, for a repeated attempt: not worth remembering
      if (candidates !== candidates.whole) return { worker: highest(candidates, found.key), reason: found.reason }
      const key = found.key.length > longestKey ? `key_hash:${ringHashHex(found.key)}` : found.key
      let known = answers.get(candidates)
      if (known === undefined) answers.set(candidates, known = new Map())
      let worker = known.get(key)
      if (worker === undefined) {
        worker = highest(candidates, key)
        const oldest = known.keys().next()
        if (known.size >= remembered && oldest.done !== true) known.delete(oldest.value)
      } else {
        known.delete(key)
      }
      known.set(key, worker)
      return { worker, reason: found.reason }
    }
  }
}
