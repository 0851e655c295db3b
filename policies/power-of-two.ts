// Looks at two random candidates and takes the less loaded one.
import { candidateAt } from './choose.ts'
import type { Policy, PolicyContext } from './policy.ts'

/**
 * Load is `worker.load`: this router's requests in flight there and those of others, as far as the worker told. Between equals
 * the first drawn is taken, which is a fair coin as the pair is drawn in random order.
 */
export function powerOfTwo (context: PolicyContext): Policy {
  return {
    name: 'power_of_two',
    wantsForeignLoad: true,
    pick (candidates) {
      const length = candidates.workers.length
      if (length === 1) return { worker: candidateAt(candidates, 0), reason: 'only_candidate' }
      const first = Math.floor(context.random() * length)
      const other = Math.floor(context.random() * (length - 1))
      const one = candidateAt(candidates, first)
      const two = candidateAt(candidates, other < first ? other : other + 1)
      if (one.load === two.load) return { worker: one, reason: 'equal_load' }
      return { worker: one.load < two.load ? one : two, reason: 'lower_load' }
    }
  }
}
