// Candidate lists are replaced whenever a worker is held back or comes back: choices are those of the list, and cost little all the same.
import fc from 'fast-check'
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import type { Worker } from '../../core/worker.ts'
import { consistentHash, createPolicy, policyNames, rendezvousHash } from '../../policies/index.ts'
import { ListCovers } from '../../policies/list-covers.ts'
import { routing } from '../helpers/routing.ts'
import { context, fleet, nth, ready } from './setup.ts'

const session = (i: number): ReturnType<typeof routing> => routing({ headers: { 'x-session-id': `s${i}` } })

const step = fc.record({ kind: fc.constantFrom('hold', 'hold', 'release', 'model', 'leave', 'come', 'retry'), n: fc.nat(), key: fc.nat(40) })

for (const make of [consistentHash, rendezvousHash]) {
  t.test(`${make.name}: as a policy that has seen no other list`, async t => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 12 }), fc.constantFrom(0, 1.5), fc.boolean(), fc.array(step, { minLength: 20, maxLength: 60 }), (count, hashBalanceFactor, announced, steps) => {
      const policy = make(context(), { hashBalanceFactor })
      let workers = fleet(count)
      let born = 0
      const held = new Set<Worker>()
      const added = (worker: Worker): void => { if (announced) policy.workerAdded?.(worker) }
      for (const worker of workers) added(worker)
      for (const { kind, n, key } of steps) {
        const worker = nth(workers, n % workers.length)
        if (kind === 'hold') held.add(worker)
        if (kind === 'release') held.delete(worker)
        if (kind === 'leave' && workers.length > 2) {
          workers = workers.filter(other => other !== worker)
          policy.workerRemoved?.(worker)
        }
        if (kind === 'come') {
          const one = ready(`http://born-${born++}:8000`)
          workers = [...workers, one]
          added(one)
        }
        let list = workers.filter((other, at) => !held.has(other) && (kind !== 'model' || at % 4 === n % 4))
        if (list.length === 0) list = workers
        nth(list, n % list.length).inFlight = n % 3
        let candidates = new Candidates(list)
        if (kind === 'retry') candidates = candidates.without(new Set([nth(list, 0)]))
        const expected = make(context(), { hashBalanceFactor }).pick(new Candidates(candidates.workers), session(key))
        const { worker: found, reason } = policy.pick(candidates, session(key))
        // where none of a key's best has room, any of the least loaded is right
        if (reason !== expected.reason || (found !== expected.worker && found.inFlight !== candidates.minInFlight)) throw new Error(`${found.id} (${reason}), not ${expected.worker.id} (${expected.reason})`)
        if (hashBalanceFactor === 0 && found !== expected.worker) throw new Error('another worker')
      }
    }), { seed: 91, numRuns: 80 })
    t.pass('no counterexample')
  })

  t.test(`${make.name}: a long key that is tried again goes where it would go without that worker`, async t => {
    const candidates = new Candidates(fleet(9))
    const policy = make(context())
    for (let i = 0; i < 30; i++) {
      const request = routing({ headers: { 'x-session-id': `${i} `.repeat(200) } })
      const { worker } = policy.pick(candidates, request)
      const rest = candidates.workers.filter(other => other !== worker)
      t.equal(policy.pick(candidates.without(new Set([worker])), request).worker, policy.pick(new Candidates(rest), request).worker)
    }
  })
}

for (const name of policyNames) {
  t.test(`${name}: another worker is held back with each request`, async t => {
    const workers = fleet(256)
    const policy = createPolicy(name, {}, context())
    for (const worker of workers) policy.workerAdded?.(worker)
    const lists = workers.slice(0, 60).map(held => new Candidates(workers.filter(worker => worker !== held)))
    const times = lists.map((candidates, i) => {
      const start = process.hrtime.bigint()
      policy.pick(candidates, session(i % 8))
      return Number(process.hrtime.bigint() - start) / 1e6
    })
    const median = nth(times.sort((a, b) => a - b), 30)
    t.ok(median < 1, `${median.toFixed(3)} ms`)
  })
}

t.test('few sets cover many lists', async t => {
  const workers = fleet(40)
  const covers = new ListCovers()
  for (const worker of workers) covers.add(worker)
  const without = (...held: number[]): Candidates => new Candidates(workers.filter((_, i) => !held.includes(i)))
  const one = covers.of(without(1))
  t.same(one.workers, workers, 'all, in their order')
  for (let i = 0; i < 39; i++) t.equal(covers.of(without(i, i + 1)), one)
  const model = (from: number, ...held: number[]): Candidates => new Candidates(workers.slice(from, from + 10).filter((_, i) => !held.includes(i)))
  const part = covers.of(model(5, 0))
  t.not(part, one, 'all are too many')
  const grown = covers.of(model(5, 1))
  t.same(grown.workers, workers.slice(5, 15))
  t.equal(covers.of(model(5, 2, 3)), grown)
  covers.remove(nth(workers, 7))
  t.not(covers.of(model(5, 2, 3, 4)), grown)
  t.ok(covers.of(model(20, 1)).workers.length < 20)
})
