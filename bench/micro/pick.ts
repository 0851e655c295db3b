// A request from pick to end, for each policy and in fleets of different sizes.
import { Candidates } from '../../core/candidates.ts'
import type { Routing } from '../../core/routing.ts'
import { Worker } from '../../core/worker.ts'
import { RequestRouting } from '../../openai/routing.ts'
import { createPolicy, policyNames } from '../../policies/index.ts'
import type { PolicyName } from '../../policies/index.ts'
import { randomFrom } from '../faults/random.ts'
import { chatBody } from './bodies.ts'
import type { Piece } from './piece.ts'

const finished = { ok: true, firstByteMs: 1, durationMs: 2, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined }

/** Microseconds of a conversation that was seen before, whatever the size of the fleet. */
const budgets: Record<PolicyName, number> = {
  cache_aware: 1.5,
  consistent_hash: 0.9,
  least_load: 0.6,
  power_of_two: 0.2,
  random: 0.2,
  rendezvous_hash: 0.4,
  round_robin: 0.2,
  sticky_least_loaded: 1.5,
  sticky_until_saturated: 5
}
/** Microseconds of one that was not, and of each worker where that is in the policy's nature. */
const newBudgets: Partial<Record<PolicyName, { fixed: number, worker: number }>> = {
  cache_aware: { fixed: 6, worker: 0 },
  consistent_hash: { fixed: 1.3, worker: 0 },
  rendezvous_hash: { fixed: 12, worker: 0.55 },
  sticky_least_loaded: { fixed: 4, worker: 0 },
  sticky_until_saturated: { fixed: 10, worker: 0 }
}

function fleet (count: number): Worker[] {
  return Array.from({ length: count }, (_, at) => {
    const worker = new Worker({ url: `http://10.0.${at >> 8}.${at & 255}:8000` })
    worker.state = 'ready'
    return worker
  })
}

/** Conversations that come again, of which a policy has seen all before long. */
function known (): () => Routing {
  const routings = Array.from({ length: 64 }, (_, at) => new RequestRouting('/v1/chat/completions', {}, chatBody(2048, String.fromCharCode(65 + at % 26) + at)))
  let turn = 0
  return () => routings[turn++ & 63] as Routing
}

/** Conversations of 4 KiB that never come again, of a session each. */
function fresh (): () => Routing {
  const ends = Array.from({ length: 16 }, (_, at) => 256 * (at + 1))
  let turn = 0
  return () => {
    const id = ++turn
    return {
      model: 'bench',
      session: undefined,
      opening: undefined,
      prefix: { hashes: ends.map(end => id * 65_536 + end), ends, length: 4096 },
      header: name => name === 'x-session-id' ? `session-${id}` : undefined
    }
  }
}

function piece (name: PolicyName, count: number, kind: string, budgetUs: number, next: () => Routing): Piece {
  const random = randomFrom(1)
  // an index that is full: forgetting is part of the work
  const policy = createPolicy(name, { maxIndexEntries: 20_000 }, { now: () => 0, random })
  const workers = fleet(count)
  const candidates = new Candidates(workers)
  for (const worker of workers) policy.workerAdded?.(worker)
  return {
    name: `pick, ${name}, ${kind}, ${count} workers`,
    budgetUs,
    run () {
      const routing = next()
      const { worker } = policy.pick(candidates, routing)
      worker.acquire()
      policy.dispatched?.(worker, routing)
      worker.release()
      policy.finished?.(worker, routing, finished)
      return worker
    }
  }
}

/** Every policy in fleets of so many workers. */
export const pickPieces = (fleets: readonly number[]): Piece[] => policyNames.flatMap(name => fleets.flatMap(count => {
  const budget = newBudgets[name]
  return [
    piece(name, count, 'known', budgets[name], known()),
    ...(budget === undefined ? [] : [piece(name, count, 'new', budget.fixed + budget.worker * count, fresh())])
  ]
}))
