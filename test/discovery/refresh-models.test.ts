// An unknown model has the ready servers asked for theirs again, each at most once in 5 s, a bounded number at a time.
import t from 'tap'
import { probed, url } from './setup.ts'

t.test('at most once in 5 s', async t => {
  const { clock, client, prober, registry } = probed(t)
  prober.start()
  await clock.advance(1000)
  prober.refreshModels()
  t.equal(client.askedForModels.length, 1, 'it has just told')
  client.served = ['base', 'adapter']
  await clock.advance(4000)
  for (let i = 0; i < 10; i++) prober.refreshModels()
  await clock.advance(0)
  t.same(client.askedForModels.map(question => question.at), [0, 5000])
  t.equal(registry.serving('regular', 'adapter')?.workers.length, 1)
  for (let i = 0; i < 60; i++) {
    await clock.advance(250)
    prober.refreshModels()
  }
  t.same(client.askedForModels.map(question => question.at), [0, 5000, 10_000, 15_000, 20_000])
})

t.test('each server has its own time', async t => {
  const { clock, client, prober, registry } = probed(t)
  prober.start()
  await clock.advance(3000)
  registry.apply('test', [{ url }, { url: 'http://w2' }])
  await clock.advance(2000)
  prober.refreshModels()
  await clock.advance(3000)
  prober.refreshModels()
  t.same(client.askedForModels.filter(question => question.url === url).map(question => question.at), [0, 5000])
  t.same(client.askedForModels.filter(question => question.url !== url).map(question => question.at), [3000, 8000])
})

t.test('only ready servers, and not all at once', async t => {
  const urls = Array.from({ length: 200 }, (_, i) => `http://w${i}`)
  const { clock, client, prober } = probed(t, {}, urls)
  client.moods.set('http://w0', 'refused')
  prober.start()
  await clock.advance(5000)
  let running = 0
  let most = 0
  let asked = 0
  client.models = async () => {
    asked++
    most = Math.max(most, ++running)
    await Promise.resolve()
    running--
    return new Map()
  }
  prober.refreshModels()
  await clock.advance(0)
  t.equal(asked, 199)
  t.equal(most, 64)
})
