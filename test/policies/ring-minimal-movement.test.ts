// When a worker leaves, only its own keys move; when it comes back, exactly those return.
import fc from 'fast-check'
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import { consistentHash, rendezvousHash } from '../../policies/index.ts'
import { context, fleet, nth } from './setup.ts'
import { routing } from '../helpers/routing.ts'

for (const make of [consistentHash, rendezvousHash]) {
  t.test(make.name, async t => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 12 }), fc.nat(), fc.nat(), (count, which, salt) => {
      const workers = fleet(count)
      const lost = nth(workers, which % count)
      const all = new Candidates(workers)
      const rest = new Candidates(workers.filter(worker => worker !== lost))
      const policy = make(context())
      let moved = 0
      for (let i = 0; i < 200; i++) {
        const request = routing({ session: `session:${salt}-${i}` })
        const before = policy.pick(all, request).worker
        const without = policy.pick(rest, request).worker
        if (before === lost) moved++
        else if (without !== before) return false
        if (without === lost || policy.pick(new Candidates(workers), request).worker !== before) return false
      }
      return moved < 200
    }), { seed: 11, numRuns: 25 })
    t.pass('no counterexample')
  })
}
