// least_load takes the worker with the least work, as a search through all workers would, whatever happened before.
import fc from 'fast-check'
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import type { Worker } from '../../core/worker.ts'
import { leastLoad } from '../../policies/index.ts'
import { LeastBy } from '../../policies/least-by.ts'
import type { Policy, Routing } from '../../policies/policy.ts'
import { routing } from '../helpers/routing.ts'
import { context, end, fleet, nth, seeded, send, tally } from './setup.ts'

const sized = (bytes: number): Routing => routing({ text: 'x'.repeat(bytes) })

/** Sends to a worker of one's choice, as for a request that only it can answer. */
function give (policy: Policy, worker: Worker, request: Routing): void {
  worker.acquire()
  policy.dispatched?.(worker, request)
}

t.test('fewest requests where prompts are alike', async t => {
  const workers = fleet(8)
  const candidates = new Candidates(workers)
  const policy = leastLoad(context())
  for (let i = 0; i < 800; i++) {
    send(policy, candidates, sized(1000))
    if (candidates.maxInFlight - candidates.minInFlight > 1) t.fail(`request ${i}: ${candidates.minInFlight} to ${candidates.maxInFlight} in flight`)
  }
})

t.test('a long prompt weighs more than several short ones, until its answer begins', async t => {
  const [one, two] = fleet(2) as [Worker, Worker]
  const candidates = new Candidates([one, two])
  const policy = leastLoad(context())
  const short = sized(200)
  const long = sized(20_000)
  for (let i = 0; i < 3; i++) give(policy, one, short)
  give(policy, two, long)
  t.same(policy.pick(candidates, short), { worker: one, reason: 'lower_load' }, 'three requests against one')
  policy.firstByte?.(two, long)
  t.same(policy.pick(candidates, short), { worker: two, reason: 'lower_load' }, 'now it is one against three')
  for (let i = 0; i < 3; i++) policy.firstByte?.(one, short)
  t.equal(policy.pick(candidates, short).worker, two)
  for (let i = 0; i < 3; i++) end(policy, one, short)
  t.equal(policy.pick(candidates, short).worker, one)
})

t.test('a request that ends without an answer weighs nothing any more', async t => {
  const [one, two] = fleet(2) as [Worker, Worker]
  const candidates = new Candidates([one, two])
  const policy = leastLoad(context())
  give(policy, one, sized(200))
  give(policy, two, sized(20_000))
  give(policy, two, sized(200))
  t.equal(policy.pick(candidates, routing()).worker, one)
  two.release()
  policy.finished?.(two, sized(20_000), { ok: false, firstByteMs: undefined, durationMs: 5, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined })
  t.same(policy.pick(candidates, routing()).reason, 'equal_load')
})

t.test('what others brought counts, as of a second ago at the latest', async t => {
  let now = 0
  const workers = fleet(3)
  nth(workers, 0).foreignLoad = 4
  nth(workers, 1).foreignLoad = 5
  nth(workers, 2).foreignLoad = 6
  const candidates = new Candidates(workers)
  const policy = leastLoad({ now: () => now, random: seeded(1) })
  t.equal(policy.wantsForeignLoad, true)
  t.equal(policy.pick(candidates, routing()).worker, workers[0])
  nth(workers, 0).foreignLoad = 7
  now = 1000
  t.equal(policy.pick(candidates, routing()).worker, workers[1])
})

t.test('equals get the same share', async t => {
  const workers = fleet(5)
  nth(workers, 3).foreignLoad = 1
  const policy = leastLoad(context())
  const candidates = new Candidates(workers)
  const picks = Array.from({ length: 4000 }, () => policy.pick(candidates, routing()))
  t.ok(picks.every(({ reason }) => reason === 'equal_load'))
  const counts = tally(workers, picks.map(({ worker }) => worker))
  t.equal(counts[3], 0)
  for (const at of [0, 1, 2, 4]) t.ok(Math.abs((counts[at] ?? 0) - 1000) < 120, counts.join(' '))
  t.equal(policy.pick(new Candidates(workers.slice(0, 1)), routing()).reason, 'only_candidate')
})

t.test('the tournament finds what a search would', async t => {
  const step = fc.record({ worker: fc.nat(), number: fc.integer({ min: 0, max: 4 }), told: fc.boolean(), members: fc.nat(), kind: fc.constantFrom('change', 'change', 'change', 'many', 'list') })
  fc.assert(fc.property(fc.integer({ min: 1, max: 11 }), fc.nat(), fc.array(step, { minLength: 10, maxLength: 80 }), (count, seed, steps) => {
    const workers = fleet(count)
    const numbers = new Map(workers.map(worker => [worker, 0]))
    let now = 0
    const least = new LeastBy({ now: () => now, random: seeded(seed) }, worker => numbers.get(worker) ?? 0)
    const lists = [new Candidates(workers), new Candidates(workers.slice(0, 3))]
    for (const { kind, worker: which, number, told, members } of steps) {
      const worker = nth(workers, which % count)
      if (kind === 'list') lists[1] = new Candidates(workers.filter((_, i) => i === 0 || (members >> i) % 2 === 1))
      else {
        // more changes than are remembered
        for (let i = 0; i < (kind === 'many' ? 1500 : 1); i++) least.changed(worker)
        numbers.set(worker, number)
        if (told) least.changed(worker)
        else now += 1000
      }
      const list = nth(lists, members % 2)
      const low = Math.min(...list.workers.map(worker => numbers.get(worker) ?? 0))
      const all = list.workers.filter(worker => numbers.get(worker) === low)
      const { worker: found, reason } = least.choose(list)
      if (!all.includes(found)) throw new Error(`${found.id} has ${numbers.get(found)}, not ${low}`)
      const expected = list.workers.length === 1 ? 'only_candidate' : all.length === 1 ? 'lower_load' : 'equal_load'
      if (reason !== expected) throw new Error(`${reason}, not ${expected}`)
    }
  }), { seed: 31, numRuns: 300 })
  t.pass('no counterexample')
})
