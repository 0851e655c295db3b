// Candidate lists of an earlier fleet are forgotten: neither leases nor memory pay for them.
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import { WorkerRegistry } from '../../core/registry.ts'
import type { Worker } from '../../core/worker.ts'

t.test('a lease moves its worker in the lists of now only', async t => {
  const registry = new WorkerRegistry()
  registry.apply('source', ['a', 'b', 'c'].map(name => ({ url: `http://${name}` })))
  const [stays, comes] = registry.list() as [Worker, Worker, Worker]
  registry.setState(stays, 'ready', 'test')
  registry.setModels(stays, new Map([['m', {}], ['n', {}]]))

  const moved: Candidates[] = []
  t.intercept(Candidates.prototype, 'moved', { value (this: Candidates) { moved.push(this) } })
  for (let i = 0; i < 200; i++) {
    registry.setState(comes, i % 2 === 0 ? 'ready' : 'unhealthy', 'test')
    registry.setModels(stays, new Map([['m', {}], [`adapter-${i}`, {}]]))
    registry.candidates('regular')
    registry.serving('regular', 'm')
    registry.serving('regular', `adapter-${i}`)
  }
  stays.acquire()
  t.same(moved, [registry.candidates('regular')], 'all models lead to the same workers, hence to one list')
})

t.test('names that clients make up leave nothing behind', async t => {
  const registry = new WorkerRegistry()
  registry.apply('source', [{ url: 'http://a' }])
  const [worker] = registry.list() as [Worker]
  registry.setState(worker, 'ready', 'test')
  registry.setModels(worker, new Map([['m', {}]]))
  const lists = (registry as unknown as { byModel: Map<string, Map<string, unknown>> }).byModel
  for (let i = 0; i < 1000; i++) registry.serving('regular', `made-up-${i}`)
  t.equal(lists.get('regular')?.size, 1)
})
