// Keeps a conversation on one worker by a hash ring; when workers come or go, only the keys of those workers move.
import type { Worker } from '../core/worker.ts'
import { anyCandidate } from './choose.ts'
import { HashRings } from './hash-ring.ts'
import type { Policy, PolicyContext } from './policy.ts'
import { ringHash } from './ring-hash.ts'
import { routingKey } from './routing-key.ts'

/**
 * The ring holds the candidates only, so a key whose worker cannot take it goes to the next on the ring, and the keys of a
 * lost worker spread over all others. A request without a key goes to a random candidate.
 */
export function consistentHash (context: PolicyContext): Policy {
  const rings = new HashRings()
  return {
    name: 'consistent_hash',
    pick (candidates, routing) {
      const found = routingKey(routing)
      const { whole } = candidates
      const accept = candidates === whole ? undefined : (worker: Worker): boolean => candidates.has(worker)
      const worker = found && rings.of(whole).owner(ringHash(found.key), accept)
      if (found === undefined || worker === undefined) return { worker: anyCandidate(candidates, context.random()), reason: 'no_key' }
      return { worker, reason: found.reason }
    },
    workerAdded: worker => { rings.points(worker) }
  }
}
