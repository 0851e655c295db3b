// In an idle fleet no policy favours a worker, such as the first of its list.
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import { createPolicy, policyNames } from '../../policies/index.ts'
import { routing } from '../helpers/routing.ts'
import { context, fleet, serve, tally } from './setup.ts'

for (const name of policyNames) {
  t.test(name, async t => {
    const workers = fleet(8)
    const candidates = new Candidates(workers)
    const policy = createPolicy(name, {}, context())
    const chosen = Array.from({ length: 8000 }, (_, i) => serve(policy, candidates, routing({ session: `session:${i}`, text: `${i} `.repeat(80) })).worker)
    const counts = tally(workers, chosen)
    t.ok(Math.max(...counts) <= 1.35 * 1000 && Math.min(...counts) >= 0.65 * 1000, counts.join(' '))
  })
}

t.test('holders of the same beginning, all idle', async t => {
  const workers = fleet(8)
  const candidates = new Candidates(workers)
  const policy = createPolicy('cache_aware', {}, context())
  const request = routing({ text: 'x'.repeat(4096) })
  for (const worker of workers.slice(0, 4)) policy.dispatched?.(worker, request)
  const decisions = Array.from({ length: 4000 }, () => serve(policy, candidates, request))
  t.ok(decisions.every(({ reason }) => reason === 'prefix_hit'))
  const counts = tally(workers, decisions.map(({ worker }) => worker))
  t.same(counts.slice(4), [0, 0, 0, 0])
  t.ok(Math.min(...counts.slice(0, 4)) > 800, counts.join(' '))
})
