// A request takes about as long among 1,000 workers as among 8, from pick to end.
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import { createPolicy, policyNames } from '../../policies/index.ts'
import type { Policy } from '../../policies/policy.ts'
import { conversation } from '../helpers/routing.ts'
import { context, fleet, nth, serve } from './setup.ts'

const system = 'A system prompt that every conversation begins with. '.repeat(20)
const requests = Array.from({ length: 64 }, (_, i) => conversation(system, `Conversation ${i}. `.repeat(150)))

/** Median microseconds of CPU that a request takes, over batches; every worker has been sent the system prompt. Time would count what others do with the machine. */
function microseconds (policy: Policy, count: number): number {
  const workers = fleet(count)
  const candidates = new Candidates(workers)
  const warm = conversation(system)
  for (const worker of workers) {
    policy.workerAdded?.(worker)
    policy.dispatched?.(worker, warm)
  }
  for (const request of requests) serve(policy, candidates, request)
  const batches = Array.from({ length: 21 }, () => {
    const start = process.cpuUsage()
    for (let i = 0; i < 512; i++) serve(policy, candidates, nth(requests, i % 64))
    const { user, system: kernel } = process.cpuUsage(start)
    return (user + kernel) / 512
  })
  return nth(batches.sort((a, b) => a - b), 10)
}

const ratio = (make: () => Policy): number => {
  // The best of a few, as what disturbs a measurement only makes it longer.
  const few = nth(Array.from({ length: 3 }, () => microseconds(make(), 8)).sort((a, b) => a - b), 0)
  const many = nth(Array.from({ length: 3 }, () => microseconds(make(), 1000)).sort((a, b) => a - b), 0)
  return many / few
}

for (const name of policyNames) {
  t.test(name, async t => {
    const times = ratio(() => createPolicy(name, {}, context()))
    t.ok(times <= 3, `${times.toFixed(2)} times as long`)
  })
}

t.test('the measurement sees a policy that looks at every worker', async t => {
  const times = ratio(() => ({
    name: 'scan',
    pick: ({ workers }) => ({ worker: workers.reduce((best, worker) => worker.load < best.load ? worker : best), reason: 'lower_load' })
  }))
  t.ok(times > 3, `${times.toFixed(2)} times as long`)
})
