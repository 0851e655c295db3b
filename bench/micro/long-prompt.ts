// One choice among 1,000 workers for a turn of 100,000 tokens: of sessions that workers have, beside a system prompt that all have.
import { Candidates } from '../../core/candidates.ts'
import type { Routing } from '../../core/routing.ts'
import { Worker } from '../../core/worker.ts'
import { prefixChain } from '../../openai/prefix-chain.ts'
import { createPolicy } from '../../policies/index.ts'
import type { PolicyName } from '../../policies/index.ts'
import { randomFrom } from '../faults/random.ts'
import { quantile } from '../faults/figures.ts'
import type { Piece } from './piece.ts'

const workerCount = 1000
const sessionCount = 200
/** Bytes of a prompt of 100,000 tokens. */
const length = 400_000

/** A choice for one session after the other. */
function choices (name: PolicyName): () => unknown {
  const random = randomFrom(1)
  const policy = createPolicy(name, {}, { now: () => 0, random })
  const workers = Array.from({ length: workerCount }, (_, at) => {
    const worker = new Worker({ url: `http://10.0.${at >> 8}.${at & 255}:8000` })
    worker.state = 'ready'
    return worker
  })
  const candidates = new Candidates(workers)
  const text = Buffer.alloc(length, 'a system prompt that everybody has ')
  const sessions = Array.from({ length: sessionCount }, (_, at): Routing => {
    const own = Buffer.from(text)
    own.write(`session ${at}`, 24_000)
    return { model: 'bench', stream: true, session: undefined, opening: undefined, header: () => undefined, prefix: prefixChain(own, 0) }
  })
  const system: Routing = { model: 'bench', stream: true, session: undefined, opening: undefined, header: () => undefined, prefix: prefixChain(text.subarray(0, 24_000), 0) }
  workers.forEach((worker, at) => {
    policy.workerAdded?.(worker)
    policy.dispatched?.(worker, system)
    const session = sessions[at]
    if (session !== undefined) policy.dispatched?.(worker, session)
  })
  let turn = 0
  return () => policy.pick(candidates, sessions[turn++ % sessionCount] as Routing)
}

const policies = ['cache_aware', 'sticky_until_saturated'] as const

/** The mean. */
export const longPromptPieces = (): Piece[] => policies.map(name => ({ name: `pick alone, ${name}, 100,000 tokens, ${workerCount} workers`, budgetUs: 5, run: choices(name) }))

/** The slowest of a hundred, in microseconds of time: longer on a machine that is busy. */
export function slowestOfHundred (): Array<{ name: string, p50: number, p99: number }> {
  return policies.map(name => {
    const choose = choices(name)
    for (let i = 0; i < 20_000; i++) choose()
    const times = Array.from({ length: 20_000 }, () => {
      const began = performance.now()
      choose()
      return (performance.now() - began) * 1000
    })
    return { name, p50: quantile(times, 0.5), p99: quantile(times, 0.99) }
  })
}
