// Lists are whole: whatever a source failed to tell in between is made good by its next list.
import t from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'

function specs (...names: string[]): Array<{ url: string }> {
  return names.map(name => ({ url: `http://${name}` }))
}

t.test('the next list', async t => {
  const registry = new WorkerRegistry()
  const events: string[] = []
  registry.on('added', worker => { events.push('+' + worker.id.slice(7)) })
  registry.on('removed', worker => { events.push('-' + worker.id.slice(7)) })
  registry.apply('source', specs('a', 'b', 'c'))
  // between these two lists: b left, d came and left, e came, c left and came back
  t.same(registry.apply('source', specs('c', 'a', 'e')), { added: 1, removed: 1 })
  t.same(registry.urls().sort(), ['http://a', 'http://c', 'http://e'])
  t.same(events, ['+a', '+b', '+c', '+e', '-b'])
})

t.test('a list said twice changes nothing', async t => {
  const registry = new WorkerRegistry()
  registry.apply('source', specs('a', 'b'))
  const before = registry.list()
  for (const event of ['added', 'changed', 'removed', 'models'] as const) registry.on(event, () => t.fail(event))
  t.same(registry.apply('source', specs('b', 'a', 'a')), { added: 0, removed: 0 })
  t.strictSame(registry.list(), before)
})
