// Round robin serves all candidates equally often, also when several lists are asked in turn and when lists change all the time.
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import type { Worker } from '../../core/worker.ts'
import { roundRobin } from '../../policies/index.ts'
import { routing } from '../helpers/routing.ts'
import { context, fleet, serve, tally } from './setup.ts'

const request = routing()

t.test('one list: every round takes each once', async t => {
  const workers = fleet(5)
  const candidates = new Candidates(workers)
  const policy = roundRobin(context())
  for (let round = 0; round < 4; round++) {
    const chosen = workers.map(() => serve(policy, candidates, request).worker)
    t.same(tally(workers, chosen), [1, 1, 1, 1, 1])
  }
})

t.test('two lists asked alternately', async t => {
  const workers = fleet(4)
  const one = new Candidates(workers.slice(0, 2))
  const two = new Candidates(workers.slice(2))
  const policy = roundRobin(context())
  const chosen = Array.from({ length: 100 }, (_, i) => serve(policy, i % 2 === 0 ? one : two, request).worker)
  t.same(tally(workers, chosen), [25, 25, 25, 25])
})

t.test('a new list for every request', async t => {
  const workers = fleet(4)
  const policy = roundRobin(context())
  const chosen = Array.from({ length: 4000 }, () => serve(policy, new Candidates(workers), request).worker)
  t.same(tally(workers, chosen), [1000, 1000, 1000, 1000])
})

t.test('each is held back after it was chosen, as where one request a worker is allowed', async t => {
  const workers = fleet(5)
  const policy = roundRobin(context())
  let held: Worker | undefined
  const chosen: Worker[] = []
  for (let i = 0; i < 500; i++) {
    held = serve(policy, new Candidates(workers.filter(worker => worker !== held)), request).worker
    chosen.push(held)
  }
  t.same(tally(workers, chosen), [100, 100, 100, 100, 100])
})

t.test('repeated attempts spread over all others', async t => {
  const workers = fleet(5)
  const candidates = new Candidates(workers)
  const policy = roundRobin(context())
  const second = Array.from({ length: 4000 }, () => {
    const [failing] = workers as [Worker, ...Worker[]]
    const { worker } = policy.pick(candidates, request)
    return worker === failing ? policy.pick(candidates.without(new Set([failing])), request).worker : worker
  })
  const counts = tally(workers, second)
  t.equal(counts[0], 0)
  t.ok(Math.min(...counts.slice(1)) > 900, counts.join(' '))
})
