// cache_aware: balance first, then the longest beginning a worker was sent, then the least loaded.
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import type { Worker } from '../../core/worker.ts'
import { cacheAware } from '../../policies/index.ts'
import { routing } from '../helpers/routing.ts'
import { context, fleet, nth } from './setup.ts'

const load = (worker: Worker, count: number): void => { for (let i = 0; i < count; i++) worker.acquire() }
/** Text of `blocks` blocks of one letter. */
const text = (letter: string, blocks: number): string => letter.repeat(256 * blocks)

t.test('a hit goes where the conversation went, though others are idle', async t => {
  const workers = fleet(4)
  const candidates = new Candidates(workers)
  const policy = cacheAware(context())
  const home = nth(workers, 2)
  policy.dispatched?.(home, routing({ text: text('a', 4) }))
  load(home, 5)
  t.same(policy.pick(candidates, routing({ text: text('a', 4) + text('b', 4) })), { worker: home, reason: 'prefix_hit', match: 0.5 })
})

t.test('the share must be more than the threshold', async t => {
  const workers = fleet(2)
  const candidates = new Candidates(workers)
  const home = nth(workers, 0)
  load(home, 1)
  for (const [cacheThreshold, reason, worker] of [[0.24, 'prefix_hit', home], [0.25, 'prefix_miss', workers[1]]] as const) {
    const policy = cacheAware(context(), { cacheThreshold })
    policy.dispatched?.(home, routing({ text: text('a', 2) }))
    const decision = policy.pick(candidates, routing({ text: text('a', 2) + text('b', 6) }))
    t.same([decision.worker.id, decision.reason], [worker?.id, reason])
  }
})

t.test('a miss tells what the chosen worker holds', async t => {
  const workers = fleet(1)
  const policy = cacheAware(context())
  const candidates = new Candidates(workers)
  t.match(policy.pick(candidates, routing({ text: text('a', 4) })), { reason: 'prefix_miss', match: 0 })
  policy.dispatched?.(nth(workers, 0), routing({ text: text('a', 1) }))
  t.match(policy.pick(candidates, routing({ text: text('a', 4) })), { reason: 'prefix_miss', match: 0.25 })
  t.match(policy.pick(candidates, routing()), { reason: 'prefix_miss', match: 0 })
})

t.test('the longest beginning wins, then the fewest in flight', async t => {
  const workers = fleet(4)
  const candidates = new Candidates(workers)
  const policy = cacheAware(context())
  const long = routing({ text: text('a', 8) })
  policy.dispatched?.(nth(workers, 0), routing({ text: text('a', 4) }))
  policy.dispatched?.(nth(workers, 1), long)
  policy.dispatched?.(nth(workers, 2), long)
  load(nth(workers, 1), 2)
  load(nth(workers, 2), 1)
  t.same(policy.pick(candidates, long), { worker: workers[2], reason: 'prefix_hit', match: 1 })
})

t.test('where it was picked does not count, where it was sent does', async t => {
  const workers = fleet(2)
  const candidates = new Candidates(workers)
  const policy = cacheAware(context())
  const request = routing({ text: text('a', 4) })
  for (const sent of workers) {
    policy.pick(candidates, request)
    policy.flush?.()
    policy.dispatched?.(sent, request)
    t.equal(policy.pick(candidates, request).worker, sent)
  }
})

t.test('a holder that is no candidate counts for nothing, a shorter beginning elsewhere does', async t => {
  const workers = fleet(3)
  const policy = cacheAware(context())
  policy.dispatched?.(nth(workers, 0), routing({ text: text('a', 8) }))
  policy.dispatched?.(nth(workers, 1), routing({ text: text('a', 5) }))
  load(nth(workers, 1), 1)
  const rest = new Candidates(workers.slice(1))
  t.same(policy.pick(rest, routing({ text: text('a', 8) })), { worker: workers[1], reason: 'prefix_hit', match: 5 / 8 })
  t.match(policy.pick(new Candidates(workers.slice(2)), routing({ text: text('a', 8) })), { worker: workers[2], reason: 'prefix_miss', match: 0 })
})

t.test('imbalance needs both thresholds to be passed', async t => {
  // [in flight on the holder, on the other, reason]
  for (const [holding, other, reason] of [[64, 0, 'prefix_hit'], [65, 0, 'imbalance'], [195, 130, 'prefix_hit'], [196, 130, 'imbalance']] as const) {
    const workers = fleet(2)
    const candidates = new Candidates(workers)
    const policy = cacheAware(context(), { balanceAbsThreshold: 64 })
    const request = routing({ text: text('a', 4) })
    policy.dispatched?.(nth(workers, 0), request)
    policy.firstByte?.(nth(workers, 0), request)
    load(nth(workers, 0), holding)
    load(nth(workers, 1), other)
    const decision = policy.pick(candidates, request)
    t.equal(decision.reason, reason, `${holding} and ${other} in flight`)
    t.equal(decision.worker, reason === 'imbalance' ? workers[1] : workers[0])
  }
})

t.test('out of balance, the beginning is learned all the same', async t => {
  const workers = fleet(2)
  const candidates = new Candidates(workers)
  const policy = cacheAware(context())
  const request = routing({ text: text('a', 4) })
  policy.dispatched?.(nth(workers, 0), request)
  load(nth(workers, 0), 65)
  const { worker } = policy.pick(candidates, request)
  policy.dispatched?.(worker, request)
  load(worker, 60)
  t.match(policy.pick(candidates, request), { worker, reason: 'prefix_hit' }, 'the less loaded of both holders')
})

t.test('a system prompt that the whole fleet holds goes to the least loaded worker', async t => {
  const workers = fleet(300)
  const policy = cacheAware(context())
  const request = routing({ text: text('s', 16) })
  workers.forEach((worker, i) => {
    policy.dispatched?.(worker, request)
    load(worker, i === 217 ? 1 : 2 + i % 3)
  })
  t.match(policy.pick(new Candidates(workers), request), { worker: workers[217], reason: 'prefix_hit', match: 1 })
})

t.test('among many holders that are not the least loaded, load is shared', async t => {
  const workers = fleet(300)
  const candidates = new Candidates(workers)
  const policy = cacheAware(context(), { balanceAbsThreshold: 1000 })
  const request = routing({ text: text('s', 4) })
  const holders = workers.slice(0, 100)
  for (const worker of holders) {
    policy.dispatched?.(worker, request)
    worker.acquire()
  }
  for (let i = 0; i < 1000; i++) {
    const { worker, reason } = policy.pick(candidates, request)
    if (reason !== 'prefix_hit' || !holders.includes(worker)) t.fail(`${reason} ${worker.id}`)
    worker.acquire()
    policy.dispatched?.(worker, request)
  }
  const loads = holders.map(worker => worker.inFlight)
  t.ok(Math.max(...loads) - Math.min(...loads) <= 3, `${Math.min(...loads)} to ${Math.max(...loads)} in flight`)
})
