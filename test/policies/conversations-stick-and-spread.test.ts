// A conversation stays on its worker as it grows, and conversations spread though all begin with the same system prompt.
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import { cacheAware, consistentHash, rendezvousHash } from '../../policies/index.ts'
import { context, fleet, send, serve, tally } from './setup.ts'
import { conversation } from '../helpers/routing.ts'

const system = 'You are a helpful assistant. '.repeat(40)
const turns = (i: number): string[] => Array.from({ length: 6 }, (_, turn) => `Conversation ${i}, turn ${turn}. `.repeat(30))

for (const make of [cacheAware, consistentHash, rendezvousHash]) {
  t.test(`${make.name}: sticks`, async t => {
    const candidates = new Candidates(fleet(8))
    const policy = make(context())
    for (let i = 0; i < 20; i++) {
      const all = turns(i)
      const first = serve(policy, candidates, conversation(system, ...all.slice(0, 1))).worker
      for (let said = 2; said <= all.length; said++) {
        const { worker } = serve(policy, candidates, conversation(system, ...all.slice(0, said)))
        if (worker !== first) t.fail(`conversation ${i} moved at turn ${said}`)
      }
    }
  })
}

for (const make of [consistentHash, rendezvousHash]) {
  t.test(`${make.name}: spreads`, async t => {
    const workers = fleet(8)
    const candidates = new Candidates(workers)
    const policy = make(context())
    const chosen = Array.from({ length: 2000 }, (_, i) => serve(policy, candidates, conversation(system, ...turns(i).slice(0, 1))).worker)
    const counts = tally(workers, chosen)
    t.ok(Math.max(...counts) <= 1.5 * 2000 / 8, counts.join(' '))
    t.ok(Math.min(...counts) >= 0.5 * 2000 / 8, counts.join(' '))
  })
}

t.test('cacheAware: spreads as far as the balance thresholds say', async t => {
  const workers = fleet(8)
  const candidates = new Candidates(workers)
  const policy = cacheAware(context(), { balanceAbsThreshold: 8, balanceRelThreshold: 1.25 })
  for (let i = 0; i < 2000; i++) send(policy, candidates, conversation(system, ...turns(i).slice(0, 1)))
  t.ok(candidates.maxInFlight <= Math.max(candidates.minInFlight + 9, candidates.minInFlight * 1.25 + 1), `${candidates.minInFlight} to ${candidates.maxInFlight} in flight`)
  t.equal(workers.reduce((sum, worker) => sum + worker.inFlight, 0), 2000)
})

t.test('cacheAware: long conversations that share a short system prompt start on different workers', async t => {
  const workers = fleet(8)
  const candidates = new Candidates(workers)
  const policy = cacheAware(context())
  const chosen = Array.from({ length: 400 }, (_, i) => serve(policy, candidates, conversation(system, ...turns(i))).worker)
  t.ok(Math.max(...tally(workers, chosen)) < 2 * 400 / 8, tally(workers, chosen).join(' '))
})
