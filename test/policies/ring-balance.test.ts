// Keys spread evenly: no worker of eight gets more than 1.35 times its share of 10,000 keys.
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import { consistentHash, rendezvousHash } from '../../policies/index.ts'
import { context, fleet, tally } from './setup.ts'
import { routing } from '../helpers/routing.ts'

for (const make of [consistentHash, rendezvousHash]) {
  t.test(make.name, async t => {
    const workers = fleet(8)
    const candidates = new Candidates(workers)
    const policy = make(context())
    const chosen = Array.from({ length: 10_000 }, (_, i) => policy.pick(candidates, routing({ session: `session:${i}` })).worker)
    const worst = Math.max(...tally(workers, chosen)) / (10_000 / 8)
    t.ok(worst <= 1.35, `max/mean ${worst}`)
  })
}
