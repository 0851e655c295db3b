// The sessions of a lost worker go to several others, not all to one (the reference sends them all to its first worker).
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import { consistentHash, rendezvousHash } from '../../policies/index.ts'
import { context, fleet, nth, tally } from './setup.ts'
import { routing } from '../helpers/routing.ts'

for (const make of [consistentHash, rendezvousHash]) {
  t.test(make.name, async t => {
    const workers = fleet(8)
    const lost = nth(workers, 3)
    const rest = workers.filter(worker => worker !== lost)
    const all = new Candidates(workers)
    const left = new Candidates(rest)
    const policy = make(context())
    const requests = Array.from({ length: 4000 }, (_, i) => routing({ headers: { 'x-session-id': `s${i}` } }))
    const displaced = requests.filter(request => policy.pick(all, request).worker === lost)
    t.ok(displaced.length > 300, `${displaced.length} sessions lose their worker`)
    const counts = tally(rest, displaced.map(request => policy.pick(left, request).worker))
    t.ok(Math.min(...counts) > 0, 'every other worker takes some')
    t.ok(Math.max(...counts) < displaced.length / 2, `none takes half of them: ${counts.join(' ')}`)
  })
}
