// A worker that is leaving gets nothing new, finishes what it has, and may come back while it does.
import t from 'tap'
import { Lease } from '../../core/lease.ts'
import { WorkerRegistry } from '../../core/registry.ts'
import type { Worker } from '../../core/worker.ts'

const url = 'http://w1'

function busy (): { registry: WorkerRegistry, worker: Worker, lease: Lease, removed: Worker[] } {
  const registry = new WorkerRegistry()
  const removed: Worker[] = []
  registry.on('removed', worker => { removed.push(worker) })
  registry.apply('source', [{ url }])
  const worker = registry.get(url)
  if (worker === undefined) throw new Error('no worker')
  registry.setState(worker, 'ready', 'answers')
  return { registry, worker, lease: new Lease(registry, worker), removed }
}

t.test('it is no candidate, and is gone with its last request', async t => {
  const { registry, worker, lease, removed } = busy()
  const second = new Lease(registry, worker)
  t.same(registry.apply('source', []), { added: 0, removed: 1 })
  t.equal(worker.state, 'draining')
  t.same(registry.candidates('regular').workers, [])
  t.same(registry.apply('source', []), { added: 0, removed: 0 }, 'it leaves once')
  t.equal(lease.end(), true)
  t.equal(lease.end(), false)
  t.equal(worker.inFlight, 1, 'a lease is given back once')
  t.same(removed, [])
  second.end()
  t.same(removed, [worker])
  t.equal(worker.state, 'gone')
  t.equal(registry.size, 0)
})

t.test('no health check makes it a candidate', async t => {
  const { registry, worker } = busy()
  registry.apply('source', [])
  registry.setState(worker, 'ready', 'answers')
  t.equal(worker.state, 'draining')
  t.same(registry.candidates('regular').workers, [])
})

t.test('stated again, it is the same worker, which has to answer first', async t => {
  const { registry, worker, lease, removed } = busy()
  registry.apply('source', [])
  registry.apply('source', [{ url }])
  t.equal(registry.get(url), worker)
  t.equal(worker.state, 'starting')
  lease.end()
  t.same(removed, [])
  registry.setState(worker, 'ready', 'answers')
  t.same(registry.candidates('regular').workers, [worker])
})

t.test('a source may say that it is leaving, and take it back', async t => {
  const { registry, worker, lease, removed } = busy()
  t.same(registry.apply('source', [{ url, leaving: true }]), { added: 0, removed: 1 })
  t.equal(worker.state, 'draining')
  t.same(registry.candidates('regular').workers, [])
  t.same(registry.apply('source', [{ url, leaving: true }]), { added: 0, removed: 0 })
  registry.apply('source', [{ url }])
  t.equal(worker.state, 'starting', 'stated without the word, it is back')
  registry.apply('source', [{ url, leaving: true }])
  lease.end()
  t.same(removed, [worker], 'gone with its last request')
  t.same(registry.apply('source', [{ url, leaving: true }]), { added: 0, removed: 0 })
  t.equal(registry.size, 0, 'one that was never known does not come to leave')
})

t.test('leaving in one source, it stays while another wants it', async t => {
  const { registry, worker } = busy()
  registry.apply('other', [{ url }])
  registry.apply('source', [{ url, leaving: true }])
  t.equal(worker.state, 'ready')
  t.same(worker.sources, ['other'])
})

t.test('another source may bring it back', async t => {
  const { registry, worker, lease } = busy()
  registry.apply('source', [])
  registry.apply('other', [{ url }])
  lease.end()
  t.equal(registry.get(url), worker)
  t.same(worker.sources, ['other'])
})

t.test('a new role makes a new worker; requests on the old one end without harm', async t => {
  const { registry, worker, lease, removed } = busy()
  registry.apply('source', [{ url, role: 'decode' }])
  const changed = registry.get(url)
  t.equal(changed?.role, 'decode')
  t.equal(changed?.inFlight, 0)
  t.same(removed, [worker])
  t.equal(worker.state, 'gone')
  lease.end()
  t.same(removed, [worker])
  t.equal(registry.get(url), changed)
  t.same(registry.candidates('regular').workers, [])
})
