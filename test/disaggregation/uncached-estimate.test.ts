// The estimate of what a worker would have to compute: less for what it was sent before, in the tokens that workers tell.
import t from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'
import { UncachedEstimate } from '../../disaggregation/uncached.ts'
import { PrefixIndex } from '../../policies/index.ts'
import { chainOf } from '../helpers/routing.ts'

function estimate (): UncachedEstimate {
  return new UncachedEstimate(new PrefixIndex({ maxBytes: 1_000_000, maxEntries: 1000 }))
}

t.test('what a worker was sent counts for that worker, until it is another', async t => {
  const registry = new WorkerRegistry()
  registry.apply('test', [{ url: 'http://a' }, { url: 'http://b' }])
  const [a, b] = registry.list()
  if (a === undefined || b === undefined) throw new Error('no workers')
  const made = estimate()
  const first = chainOf('x'.repeat(1024))
  const grown = chainOf('x'.repeat(1024) + 'y'.repeat(400))
  t.equal(made.tokens(a, first, '/r'), 256, 'four bytes a token')
  made.served(a, first)
  t.equal(made.tokens(a, first, '/r'), 0)
  t.equal(made.tokens(a, grown, '/r'), 100)
  t.equal(made.tokens(b, grown, '/r'), 356)
  made.forget(a)
  t.equal(made.tokens(a, grown, '/r'), 356)
  made.served(b, first)
  registry.apply('test', [{ url: 'http://a' }])
  made.forget(b)
  made.served(b, first)
  t.equal(made.tokens(b, first, '/r'), 256, 'a late answer brings nobody back')
})

t.test('bytes for a token are learned, by route and within bounds', async t => {
  const made = estimate()
  for (let i = 0; i < 200; i++) made.learn('/ids', 600, 100)
  t.ok(Math.abs(made.ratio('/ids') - 6) < 0.01, String(made.ratio('/ids')))
  t.equal(made.ratio('/text'), 4, 'each route by itself')
  made.learn('/text', 1_000_000, 10)
  t.equal(made.ratio('/text'), 4, 'a short prompt tells nothing')
  made.learn('/text', 1e12, 100)
  t.ok(made.ratio('/text') < 8, 'one odd answer moves it little')
  for (let i = 0; i < 500; i++) made.learn('/text', 1, 1e9)
  t.ok(made.ratio('/text') >= 0.5)
})
