// Keeps a conversation on one worker by a hash ring; when workers come or go, only the keys of those workers move.
import type { Worker } from '../core/worker.ts'
import { fullAt } from './bounded-load.ts'
import type { BoundedLoadOptions } from './bounded-load.ts'
import { anyCandidate } from './choose.ts'
import { HashRings } from './hash-ring.ts'
import type { Policy, PolicyContext } from './policy.ts'
import { ringHash } from './ring-hash.ts'
import { headersOf, routingKey } from './routing-key.ts'
import type { KeyOptions } from './routing-key.ts'

/**
 * The ring holds the candidates only, so a key whose worker cannot take it goes to the next on the ring, and the keys of a
 * lost worker spread over all others. With bounded loads a worker that has more than its share cannot take it either; at most
 * `factor / (factor - 1)` workers are passed over on average. A request without a key goes to a random candidate.
 */
export function consistentHash (context: PolicyContext, options: KeyOptions & BoundedLoadOptions = {}): Policy {
  const { hashBalanceFactor = 0 } = options
  const headers = headersOf(options)
  const rings = new HashRings()
  return {
    name: 'consistent_hash',
    pick (candidates, routing) {
      const found = routingKey(routing, headers)
      if (found === undefined) return { worker: anyCandidate(candidates, context.random()), reason: 'no_key' }
      const full = fullAt(candidates, hashBalanceFactor)
      let passed = false
      const accept = (worker: Worker): boolean => {
        const takes = worker.inFlight < full
        passed ||= !takes
        return takes
      }
      const worker = rings.owner(candidates, ringHash(found.key), full === Infinity ? undefined : accept)
      if (worker === undefined) throw new RangeError('No candidate is on the ring')
      return { worker, reason: passed ? 'imbalance' : found.reason, session: found.reason }
    },
    workerAdded: worker => { rings.add(worker) },
    workerRemoved: worker => { rings.remove(worker) }
  }
}
