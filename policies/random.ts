// Takes any candidate, all equally likely.
import { anyCandidate } from './choose.ts'
import type { Policy, PolicyContext } from './policy.ts'

/** The policy without memory: nothing is counted, nothing kept. */
export function random (context: PolicyContext): Policy {
  return {
    name: 'random',
    pick: candidates => ({ worker: anyCandidate(candidates, context.random()), reason: 'random' })
  }
}
