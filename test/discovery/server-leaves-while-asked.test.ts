// A server that leaves while it is asked is not brought back by its answer, nor judged by it when it returns.
import t from 'tap'
import { probed, url } from './setup.ts'

t.test('it stays away', async t => {
  const { clock, client, prober, registry, changes } = probed(t)
  client.moods.set(url, 'hanging')
  prober.start()
  await clock.advance(0)
  registry.apply('test', [])
  client.release(url, 'fine')
  await clock.advance(120_000)
  t.equal(registry.size, 0)
  t.same(changes, [])
  t.equal(client.asked.length, 1)
  t.equal(clock.pending, 0)
})

t.test('one that comes to its place is judged by its own answers', async t => {
  const { clock, client, prober, registry, state } = probed(t)
  client.moods.set(url, 'hanging')
  prober.start()
  await clock.advance(0)
  registry.apply('test', [])
  client.moods.set(url, 'refused')
  registry.apply('test', [{ url }])
  await clock.advance(0)
  client.release(url, 'fine')
  await clock.advance(0)
  t.equal(state(), 'starting')
})

t.test('one that waited for its turn, left and came back is visited once', async t => {
  const urls = Array.from({ length: 65 }, (_, i) => `http://w${i}`)
  const { clock, client, prober, registry } = probed(t, {}, urls)
  for (const url of urls) client.moods.set(url, 'hanging')
  prober.start()
  await clock.advance(0)
  for (let i = 0; i < 3; i++) {
    registry.apply('test', urls.slice(0, 64).map(url => ({ url })))
    registry.apply('test', urls.map(url => ({ url })))
  }
  for (const url of urls.slice(0, 64)) client.release(url, 'fine')
  await clock.advance(0)
  t.equal(client.times('http://w64').length, 1)
  t.equal(client.mostRunningAtOne, 1)
})

t.test('a worker that is stated again while it leaves is checked at once', async t => {
  const { clock, client, prober, registry, only, state } = probed(t)
  prober.start()
  await clock.advance(0)
  const worker = only()
  worker.acquire()
  registry.apply('test', [])
  await clock.advance(20_000)
  t.equal(state(), 'draining')
  registry.apply('test', [{ url }])
  await clock.advance(0)
  t.equal(only(), worker)
  t.equal(state(), 'ready')
  t.same(client.times(url), [0, 20_000])
})

t.test('checks of a worker that is leaving do not make it a candidate', async t => {
  const { clock, prober, registry, only, state } = probed(t)
  prober.start()
  await clock.advance(0)
  only().acquire()
  registry.apply('test', [])
  await clock.advance(180_000)
  t.equal(state(), 'draining')
  t.same(registry.candidates('regular').workers, [])
})
