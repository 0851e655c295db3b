// A worker that several sources state stays while one of them does, and the first of them decides what it is.
import t from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'

const url = 'http://w1'

t.test('it stays until nobody states it', async t => {
  const registry = new WorkerRegistry()
  t.same(registry.apply('one', [{ url }]), { added: 1, removed: 0 })
  t.same(registry.apply('two', [{ url }]), { added: 0, removed: 0 })
  t.same(registry.get(url)?.sources, ['one', 'two'])
  t.same(registry.apply('one', []), { added: 0, removed: 0 })
  t.same(registry.get(url)?.sources, ['two'])
  t.same(registry.apply('two', []), { added: 0, removed: 1 })
  t.equal(registry.size, 0)
})

t.test('two that disagree about the role do not replace each other\'s worker again and again', async t => {
  const registry = new WorkerRegistry()
  registry.apply('one', [{ url, role: 'prefill' }])
  const worker = registry.get(url)
  for (let i = 0; i < 3; i++) {
    registry.apply('two', [{ url, role: 'decode' }])
    registry.apply('one', [{ url, role: 'prefill' }])
  }
  t.equal(registry.get(url), worker)
  t.equal(worker?.state, 'starting')

  registry.apply('one', [])
  t.equal(registry.get(url)?.role, 'decode', 'what the other states holds once it is alone')
  t.same(registry.get(url)?.sources, ['two'])
  t.equal(worker?.state, 'gone')
})

t.test('labels of a source that no longer states the worker do not stay', async t => {
  const registry = new WorkerRegistry()
  registry.apply('one', [{ url, labels: { from: 'one' } }])
  registry.apply('two', [{ url, labels: { from: 'two' } }])
  t.same(registry.get(url)?.spec.labels, { from: 'one' })
  registry.apply('one', [])
  t.same(registry.get(url)?.spec.labels, { from: 'two' })
})
