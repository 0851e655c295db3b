// With --hash-balance-factor no worker has more than its share of requests in flight, and keys keep their workers as far as that allows.
import fc from 'fast-check'
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import type { Worker } from '../../core/worker.ts'
import { consistentHash, rendezvousHash } from '../../policies/index.ts'
import type { Routing } from '../../policies/policy.ts'
import { routing } from '../helpers/routing.ts'
import { context, end, fleet, send } from './setup.ts'

const session = (i: number): Routing => routing({ headers: { 'x-session-id': `s${i}` } })

for (const make of [consistentHash, rendezvousHash]) {
  t.test(`${make.name}: the bound holds whatever is in flight`, async t => {
    const step = fc.record({ key: fc.nat(30), ends: fc.boolean(), which: fc.nat() })
    fc.assert(fc.property(fc.integer({ min: 1, max: 9 }), fc.constantFrom(0.01, 1, 1.01, 1.25, 2, 1000), fc.array(step, { minLength: 30, maxLength: 150 }), (count, factor, steps) => {
      const workers = fleet(count)
      const candidates = new Candidates(workers)
      const policy = make(context(), { hashBalanceFactor: factor })
      const free = make(context())
      const flying: Array<{ worker: Worker, request: Routing }> = []
      for (const { key, ends, which } of steps) {
        for (const { worker, request } of ends && flying.length > 0 ? flying.splice(which % flying.length, 1) : []) end(policy, worker, request)
        const bound = Math.ceil(Math.max(1, factor) * (flying.length + 1) / count)
        const home = free.pick(candidates, session(key)).worker
        const had = home.inFlight
        const { worker, reason, session: kind } = send(policy, candidates, session(key))
        flying.push({ worker, request: session(key) })
        if (worker.inFlight > bound) throw new Error(`${worker.inFlight} requests where ${bound} are allowed`)
        if (had < bound && worker !== home) throw new Error('left its worker without need')
        if (reason !== (worker === home ? 'header' : 'imbalance') || kind !== 'header') throw new Error(`${reason} ${kind}`)
      }
    }), { seed: 61, numRuns: 150 })
    t.pass('no counterexample')
  })

  t.test(`${make.name}: a key that was sent on comes back`, async t => {
    const workers = fleet(8)
    const candidates = new Candidates(workers)
    const policy = make(context(), { hashBalanceFactor: 1.5 })
    const home = send(policy, candidates, session(1)).worker
    const others = Array.from({ length: 6 }, () => send(policy, candidates, session(1)).worker)
    t.ok(new Set(others).size >= 3, 'others help out')
    for (const worker of [home, ...others]) end(policy, worker, session(1))
    t.equal(send(policy, candidates, session(1)).worker, home)
  })

  t.test(`${make.name}: without a factor all of a session goes to its worker`, async t => {
    const candidates = new Candidates(fleet(8))
    for (const options of [{}, { hashBalanceFactor: 0 }]) {
      const policy = make(context(), options)
      t.equal(new Set(Array.from({ length: 50 }, () => send(policy, candidates, session(1)).worker)).size, 1)
    }
  })

  t.test(`${make.name}: a retry stays within the bound of those that are left`, async t => {
    const workers = fleet(3)
    const candidates = new Candidates(workers)
    const policy = make(context(), { hashBalanceFactor: 1.25 })
    const first = policy.pick(candidates, session(1)).worker
    const rest = candidates.without(new Set([first]))
    const second = policy.pick(rest, session(1)).worker
    for (let i = 0; i < 4; i++) second.acquire()
    const third = policy.pick(candidates.without(new Set([first])), session(1)).worker
    t.same(new Set([first, second, third]).size, 3)
  })
}
