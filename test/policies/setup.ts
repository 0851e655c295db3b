// Workers and seeded contexts for the tests of policies.
import type { Candidates } from '../../core/candidates.ts'
import { Worker } from '../../core/worker.ts'
import type { Decision, Policy, PolicyContext, Routing } from '../../policies/policy.ts'

/** `count` workers that are ready. */
export function fleet (count: number): Worker[] {
  return Array.from({ length: count }, (_, i) => ready(`http://10.0.${i >> 8}.${i & 255}:8000`))
}

export function ready (url: string): Worker {
  const worker = new Worker({ url })
  worker.state = 'ready'
  return worker
}

/** The worker at an index that is there. */
export function nth<T> (list: readonly T[], index: number): T {
  if (index < 0 || index >= list.length) throw new RangeError(`no element ${index} of ${list.length}`)
  return list[index] as T
}

/** Uniform numbers in [0, 1), the same ones for the same seed. */
export function seeded (seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function context (seed = 1): PolicyContext {
  return { now: () => 0, random: seeded(seed) }
}

/** Picks and dispatches, as a router does; the request stays in flight until `end`. */
export function send (policy: Policy, candidates: Candidates, routing: Routing): Decision {
  const decision = policy.pick(candidates, routing)
  decision.worker.acquire()
  policy.dispatched?.(decision.worker, routing)
  return decision
}

export function end (policy: Policy, worker: Worker, routing: Routing): void {
  worker.release()
  policy.finished?.(worker, routing, {
    ok: true, firstByteMs: 1, durationMs: 2, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined
  })
}

/** One request from pick to end. */
export function serve (policy: Policy, candidates: Candidates, routing: Routing): Decision {
  const decision = send(policy, candidates, routing)
  end(policy, decision.worker, routing)
  return decision
}

/** How often each worker was chosen; workers never chosen count 0. */
export function tally (workers: readonly Worker[], chosen: Iterable<Worker>): number[] {
  const counts = new Map(workers.map(worker => [worker, 0]))
  for (const worker of chosen) counts.set(worker, (counts.get(worker) ?? 0) + 1)
  return [...counts.values()]
}
