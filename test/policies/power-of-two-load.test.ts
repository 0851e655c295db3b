// power_of_two compares all the load it knows of, others' included, and says what it saw.
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import { powerOfTwo } from '../../policies/index.ts'
import { routing } from '../helpers/routing.ts'
import { context, fleet, nth, tally } from './setup.ts'

const request = routing()
const picks = (workers: ReturnType<typeof fleet>, times: number): ReturnType<ReturnType<typeof powerOfTwo>['pick']>[] => {
  const policy = powerOfTwo(context())
  const candidates = new Candidates(workers)
  return Array.from({ length: times }, () => policy.pick(candidates, request))
}

t.test('of two, the less loaded one always', async t => {
  for (const busy of [0, 1]) {
    const workers = fleet(2)
    nth(workers, busy).acquire()
    for (const { worker, reason } of picks(workers, 100)) {
      if (worker !== workers[1 - busy] || reason !== 'lower_load') t.fail(`${worker.id}: ${reason}`)
    }
  }
})

t.test('foreign load counts like one\'s own', async t => {
  const workers = fleet(2)
  nth(workers, 0).foreignLoad = 3
  nth(workers, 1).acquire()
  t.ok(picks(workers, 100).every(({ worker }) => worker === workers[1]))
  nth(workers, 1).foreignLoad = 2
  t.ok(picks(workers, 100).every(({ reason }) => reason === 'equal_load'))
})

t.test('the pair is always two different ones, so the most loaded of many is never picked', async t => {
  const workers = fleet(3)
  nth(workers, 1).foreignLoad = 10
  const counts = tally(workers, picks(workers, 3000).map(({ worker }) => worker))
  t.equal(counts[1], 0)
  t.ok(Math.min(counts[0] ?? 0, counts[2] ?? 0) > 1350, counts.join(' '))
})

t.test('every pair is drawn', async t => {
  const workers = fleet(4)
  workers.forEach((worker, i) => { worker.foreignLoad = i })
  const counts = tally(workers, picks(workers, 6000).map(({ worker }) => worker))
  // Of the six pairs, three contain the idlest, two more the next, one the third.
  t.ok(Math.abs((counts[0] ?? 0) - 3000) < 200 && Math.abs((counts[1] ?? 0) - 2000) < 200 && Math.abs((counts[2] ?? 0) - 1000) < 200, counts.join(' '))
})

t.test('a single candidate', async t => {
  t.same(picks(fleet(1), 1).map(({ reason }) => reason), ['only_candidate'])
})
