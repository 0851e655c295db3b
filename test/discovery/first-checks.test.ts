// The first check of every server comes at once; all together, but a bounded number at a time; and models are known before a worker is ready.
import t from 'tap'
import { probed, url } from './setup.ts'

t.test('at once, 64 at a time', async t => {
  const urls = Array.from({ length: 200 }, (_, i) => `http://w${i}`)
  const { clock, client, prober, registry } = probed(t, {}, urls)
  for (const url of urls) client.moods.set(url, 'hanging')
  prober.start()
  await clock.advance(0)
  t.equal(client.running, 64)
  for (let rounds = 0; rounds < 4; rounds++) {
    for (const url of urls) client.release(url, 'fine')
    await clock.advance(0)
  }
  t.equal(client.asked.length, 200)
  t.equal(client.mostRunning, 64)
  t.equal(registry.candidates('regular').workers.length, 200)
  t.equal(clock.now(), 0)
})

t.test('a server that comes later is checked at once too', async t => {
  const { clock, client, prober, registry } = probed(t)
  prober.start()
  await clock.advance(1234)
  registry.apply('test', [{ url }, { url: 'http://late' }])
  await clock.advance(0)
  t.same(client.times('http://late'), [1234])
  t.equal(registry.get('http://late')?.state, 'ready')
})

t.test('ready only with its models', async t => {
  const { clock, prober, registry, only } = probed(t)
  let known: string[] | undefined
  registry.on('changed', worker => { known = [...worker.models?.keys() ?? []] })
  prober.start()
  await clock.advance(0)
  t.equal(only().state, 'ready')
  t.same(known, ['base'])
})

t.test('a server that does not tell its models serves all the same', async t => {
  const { clock, client, prober, only } = probed(t)
  client.models = async () => { throw new Error('404') }
  prober.start()
  await clock.advance(0)
  t.equal(only().state, 'ready')
  t.equal(only().models, undefined)
})

t.test('a server with many ranks is asked once for all of them', async t => {
  const { clock, client, prober, registry } = probed(t, {}, [])
  prober.start()
  registry.apply('test', [{ url, ranks: 8 }])
  await clock.advance(10)
  t.equal(registry.candidates('regular').workers.length, 8)
  t.equal(client.asked.length, 1)
})
