// Trouble on live traffic has the worker looked at at once: a dead one is out without thresholds, a fine one stays.
import t from 'tap'
import { probed, url } from './setup.ts'

t.test('dead', async t => {
  const { clock, client, prober, registry, only, state } = probed(t)
  prober.start()
  await clock.advance(10_000)
  client.moods.set(url, 'refused')
  registry.suspect(only())
  await clock.advance(0)
  t.equal(state(), 'unhealthy')
  t.same(registry.candidates('regular').workers, [])
  await clock.advance(6000)
  t.same(client.times(url), [0, 10_000, 15_000], 'and it is looked for')
})

t.test('fine', async t => {
  const { clock, client, prober, registry, only, state } = probed(t)
  prober.start()
  await clock.advance(10_000)
  registry.suspect(only())
  await clock.advance(0)
  t.equal(state(), 'ready')
  t.same(client.times(url), [0, 10_000])
  await clock.advance(59_000)
  t.equal(client.asked.length, 2, 'the check that was due moves')
})

t.test('ill: it listens, so thresholds hold', async t => {
  const { clock, client, prober, registry, only, state } = probed(t)
  prober.start()
  await clock.advance(10_000)
  client.moods.set(url, 'ill')
  registry.suspect(only())
  await clock.advance(1500)
  t.equal(state(), 'ready')
  await clock.advance(1000)
  t.equal(state(), 'unhealthy')
})

t.test('while a check runs, one more follows it, however many complain', async t => {
  const { clock, client, prober, registry, only, state } = probed(t)
  prober.start()
  await clock.advance(0)
  client.moods.set(url, 'hanging')
  await clock.advance(60_000)
  for (let i = 0; i < 100; i++) registry.suspect(only())
  await clock.advance(0)
  t.equal(client.asked.length, 2)
  client.moods.set(url, 'refused')
  client.release(url, 'fine')
  await clock.advance(0)
  t.equal(client.asked.length, 3)
  t.equal(client.mostRunningAtOne, 1)
  t.equal(state(), 'unhealthy')
})

t.test('a worker that is gone is nobody\'s concern', async t => {
  const { clock, client, prober, registry, only } = probed(t)
  prober.start()
  await clock.advance(0)
  const worker = only()
  registry.apply('test', [])
  registry.suspect(worker)
  await clock.advance(120_000)
  t.equal(client.asked.length, 1)
})
