// Takes the candidates in turn.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'
import { candidateAt } from './choose.ts'
import type { Policy, PolicyContext } from './policy.ts'

/** Whose turn it is in one list. */
interface Turn {
  next: number
}

/**
 * Every candidate list has a turn of its own: with one counter for all, two models asked for alternately would each stay on
 * the same half of their workers. The first list starts at a random place, so that several routers started together do not favour the
 * first worker. Lists are replaced whenever a worker is held back or comes back, which may be with every request: a new one goes on
 * behind the worker that was chosen last. A part of a list, for a repeated attempt, starts anywhere: the one behind the worker that
 * failed would get that worker's requests and its own.
 */
export function roundRobin (context: PolicyContext): Policy {
  const turns = new WeakMap<Candidates, Turn>()
  let last: { readonly list: Candidates, readonly turn: Turn } | undefined

  /** Where a list begins: the place of the first of its workers whose turn it would have been in the list before. */
  const begin = (candidates: Candidates): number => {
    const before = last?.list.workers ?? []
    const from = last?.turn.next ?? 0
    for (let i = 0; i < before.length; i++) {
      const worker = before[(from + i) % before.length] as Worker
      if (candidates.has(worker)) return candidates.workers.indexOf(worker)
    }
    return Math.floor(context.random() * candidates.workers.length)
  }

  return {
    name: 'round_robin',
    pick (candidates) {
      const { length } = candidates.workers
      if (candidates !== candidates.whole) return { worker: candidateAt(candidates, Math.floor(context.random() * length)), reason: 'round_robin' }
      let turn = turns.get(candidates)
      if (turn === undefined) turns.set(candidates, turn = { next: begin(candidates) })
      const worker = candidateAt(candidates, turn.next)
      turn.next = turn.next + 1 < length ? turn.next + 1 : 0
      if (last?.list !== candidates) last = { list: candidates, turn }
      return { worker, reason: 'round_robin' }
    },
    workerRemoved (worker) {
      // lists of its fleet are replaced; what is left of it here must not keep it
      if (last?.list.has(worker) === true) last = undefined
    }
  }
}
