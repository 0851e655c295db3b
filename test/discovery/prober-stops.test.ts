// A prober that stops leaves no timer and no listener, and what was under way changes nothing any more.
import t from 'tap'
import { probed } from './setup.ts'

t.test('stop', async t => {
  const urls = Array.from({ length: 100 }, (_, i) => `http://w${i}`)
  const { clock, client, prober, registry, changes } = probed(t, {}, urls)
  const events = ['added', 'changed', 'removed', 'suspect', 'models'] as const
  const before = events.map(event => registry.listenerCount(event))
  prober.start()
  await clock.advance(0)
  t.equal(clock.pending, 100)
  prober.stop()
  t.equal(clock.pending, 0)
  t.same(events.map(event => registry.listenerCount(event)), before)
  registry.apply('test', [{ url: 'http://late' }])
  for (const worker of registry.list()) registry.suspect(worker)
  prober.refreshModels()
  await clock.advance(100_000)
  t.equal(client.asked.length, 100)
  t.equal(changes.length, 100)
})

t.test('in the middle of a check', async t => {
  const { clock, client, prober, registry, changes } = probed(t)
  client.moods.set('http://w1', 'hanging')
  prober.start()
  await clock.advance(0)
  prober.stop()
  client.release('http://w1', 'fine')
  await clock.advance(100_000)
  t.same(changes, [])
  t.same(registry.list().map(worker => worker.state), ['starting'])
  t.equal(clock.pending, 0)
})
