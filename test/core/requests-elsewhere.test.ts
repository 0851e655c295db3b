// What other processes of the router have on a worker counts: for its bound, for its leaving, and for who is busy.
import t from 'tap'
import { Lease } from '../../core/lease.ts'
import { WorkerRegistry } from '../../core/registry.ts'
import { WorkerBound } from '../../core/worker-bound.ts'
import type { Worker } from '../../core/worker.ts'

function fleet (...urls: string[]): { registry: WorkerRegistry, workers: Worker[] } {
  const registry = new WorkerRegistry()
  registry.apply('static', urls.map(url => ({ url })))
  for (const worker of registry.list()) registry.setState(worker, 'ready', 'answers')
  return { registry, workers: registry.list() }
}

t.test('a worker that is leaving stays until the last request of any process', async t => {
  const { registry, workers: [worker] } = fleet('http://a')
  if (worker === undefined) throw new Error('no worker')
  const lease = new Lease(registry, worker)
  registry.setElsewhere(worker, 2, 5)
  t.same([worker.inFlight, worker.elsewhere, worker.processed + worker.processedElsewhere], [3, 2, 6])
  registry.apply('static', [])
  t.equal(worker.state, 'draining')
  lease.end()
  t.equal(worker.state, 'draining')
  registry.setElsewhere(worker, 0, 5)
  t.equal(worker.state, 'gone')
})

t.test('the bound on a worker is for all processes together', async t => {
  const { registry, workers: [one, two] } = fleet('http://a', 'http://b')
  if (one === undefined || two === undefined) throw new Error('no workers')
  let changes = 0
  const bound = new WorkerBound(registry, () => 3, () => { changes++ })
  t.equal(bound.capacity, 6)
  registry.setElsewhere(one, 2, 2)
  t.equal(bound.capacity, 4)
  t.equal(one.available, true)
  registry.setElsewhere(one, 3, 3)
  t.equal(bound.capacity, 3)
  t.equal(one.available, false)
  registry.setElsewhere(two, 7, 7)
  t.equal(bound.capacity, 0, 'more than it may have, as told too late')
  const before = changes
  registry.setElsewhere(two, 1, 7)
  t.ok(changes > before, 'who waits is let in')
  t.equal(bound.capacity, 2)
  registry.setElsewhere(one, 0, 3)
  t.equal(one.available, true)
})

t.test('the least loaded is so in all processes together', async t => {
  const { registry, workers: [one, two] } = fleet('http://a', 'http://b')
  if (one === undefined || two === undefined) throw new Error('no workers')
  const candidates = registry.candidates('regular')
  const lease = new Lease(registry, two)
  t.equal(candidates.leastLoaded(0), one)
  registry.setElsewhere(one, 5, 5)
  t.equal(candidates.leastLoaded(0), two)
  t.same([candidates.minInFlight, candidates.maxInFlight], [1, 5])
  lease.end()
})
