// Without anything to hash, requests spread over all candidates instead of heaping up on one.
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import { consistentHash, rendezvousHash } from '../../policies/index.ts'
import { routing } from '../helpers/routing.ts'
import { context, fleet, serve, tally } from './setup.ts'

for (const make of [consistentHash, rendezvousHash]) {
  t.test(make.name, async t => {
    const workers = fleet(4)
    const candidates = new Candidates(workers)
    const policy = make(context())
    const decisions = Array.from({ length: 4000 }, () => serve(policy, candidates, routing()))
    t.ok(decisions.every(({ reason }) => reason === 'no_key'))
    const counts = tally(workers, decisions.map(({ worker }) => worker))
    t.ok(Math.min(...counts) > 850 && Math.max(...counts) < 1150, counts.join(' '))
  })
}
