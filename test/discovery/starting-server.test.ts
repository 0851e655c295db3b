// A server that starts is asked again and again, with pauses that double up to a bound; it never needs more than one answer.
import t from 'tap'
import { probed, url } from './setup.ts'

t.test('pauses', async t => {
  const { clock, client, prober, state } = probed(t)
  client.moods.set(url, 'refused')
  prober.start()
  await clock.advance(9500)
  t.same(client.times(url), [0, 200, 600, 1400, 3000, 6000, 9000])
  t.equal(state(), 'starting')
  client.moods.set(url, 'fine')
  await clock.advance(2500)
  t.equal(state(), 'ready')
})

t.test('one that takes too long is unhealthy, and still asked', async t => {
  const { clock, client, prober, changes, state, only } = probed(t)
  client.moods.set(url, 'refused')
  prober.start()
  await clock.advance(12_500)
  t.same(changes, ['starting>unhealthy'])
  t.equal(only().reason, 'connection refused')
  client.moods.set(url, 'fine')
  await clock.advance(6000)
  t.equal(state(), 'ready')
})
