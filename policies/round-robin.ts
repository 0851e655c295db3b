// Takes the candidates in turn.
import type { Candidates } from '../core/candidates.ts'
import { candidateAt } from './choose.ts'
import type { Policy, PolicyContext } from './policy.ts'

/**
 * Every candidate list has a turn of its own: with one counter for all, two models asked for alternately would each stay on
 * the same half of their workers. A new list starts at a random place, so that neither a fleet that changes often nor several
 * routers started together favour the first worker.
 */
export function roundRobin (context: PolicyContext): Policy {
  const turns = new WeakMap<Candidates, { next: number }>()
  return {
    name: 'round_robin',
    pick (candidates) {
      const length = candidates.workers.length
      let turn = turns.get(candidates)
      if (turn === undefined) turns.set(candidates, turn = { next: Math.floor(context.random() * length) })
      const worker = candidateAt(candidates, turn.next)
      turn.next = turn.next + 1 < length ? turn.next + 1 : 0
      return { worker, reason: 'round_robin' }
    }
  }
}
