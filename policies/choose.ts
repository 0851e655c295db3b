// The two choices every policy falls back to, each in constant time.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'

function some (worker: Worker | undefined): Worker {
  if (worker === undefined) throw new RangeError('A policy was asked to pick from an empty list of candidates')
  return worker
}

/** The candidate at `index`. */
export function candidateAt (candidates: Candidates, index: number): Worker {
  return some(candidates.workers[index])
}

/** Any candidate; `random` (0 ≤ x < 1) decides. */
export function anyCandidate (candidates: Candidates, random: number): Worker {
  return candidateAt(candidates, Math.floor(random * candidates.workers.length))
}

/** A candidate with the fewest requests in flight; `random` (0 ≤ x < 1) decides between equals. */
export function leastLoaded (candidates: Candidates, random: number): Worker {
  return some(candidates.leastLoaded(random))
}
