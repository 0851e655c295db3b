// The written-down list: each URL with its ranks, stated once.
import t from 'tap'
import type { WorkerSpec } from '../../core/worker.ts'
import { staticSource, staticSpecs } from '../../discovery/static.ts'

t.test('specs', async t => {
  t.same(staticSpecs(['http://a:1/', 'http://b:2@3'], 4), [{ url: 'http://a:1', ranks: 4 }, { url: 'http://b:2', rank: 3 }])
  t.throws(() => staticSpecs(['http://a', 'nonsense'], 1))
})

t.test('source', async t => {
  const specs = staticSpecs(['http://a:1'], 1)
  const source = staticSource(specs)
  const stated: Array<readonly WorkerSpec[]> = []
  await source.start(list => { stated.push(list) })
  await source.stop()
  t.same(stated, [specs])
  t.same([source.name, source.health().ok], ['static', true])
})
