// A server with data-parallel ranks is one worker a rank.
import t from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'

const url = 'http://w1:8000/base'

t.test('ranks behind a URL', async t => {
  const registry = new WorkerRegistry()
  t.same(registry.apply('source', [{ url, ranks: 3 }]), { added: 3, removed: 0 })
  t.same(registry.list().map(({ id, rank, rankHeader }) => [id, rank, rankHeader]), [[`${url}@0`, 0, '0'], [`${url}@1`, 1, '1'], [`${url}@2`, 2, '2']])
  t.same(registry.urls(), [url])
  t.equal(registry.at(url).length, 3)
  t.same(registry.list().map(({ origin, basePath }) => origin + basePath), [url, url, url])
})

t.test('a pinned rank', async t => {
  const registry = new WorkerRegistry()
  registry.apply('source', [{ url, rank: 2 }])
  t.same(registry.list().map(worker => [worker.id, worker.rankHeader]), [[`${url}@2`, '2']])
})

t.test('a number of ranks that changes adds and removes the difference', async t => {
  const registry = new WorkerRegistry()
  registry.apply('source', [{ url, ranks: 2 }])
  const [first] = registry.list()
  t.same(registry.apply('source', [{ url, ranks: 3 }]), { added: 1, removed: 0 })
  t.same(registry.apply('source', [{ url, ranks: 2 }]), { added: 0, removed: 1 })
  t.equal(registry.list()[0], first)
  t.same(registry.apply('source', [{ url }]), { added: 1, removed: 2 })
  t.same(registry.list().map(worker => [worker.id, worker.rankHeader]), [[url, undefined]])
})
