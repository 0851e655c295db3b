// A worker that is gone takes its series along, also those that its last requests would have made after it.
import t from 'tap'
import { chat, post, sendRaw } from '../helpers/client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

t.test('after a broken stream, while it was leaving', async t => {
  const [worker, other] = await startWorkers(t, 2, { interTokenLatencyMs: 5 })
  if (worker === undefined || other === undefined) throw new Error('no worker')
  const { url, port, router } = await startRouter(t, { workerUrls: [worker.url], policy: 'round_robin' })
  await (await post(url + '/v1/chat/completions', chat('a'))).text()
  const socket = await sendRaw(port, '/v1/chat/completions', chat('a', { stream: true, max_tokens: 30_000 }))
  t.teardown(() => socket.destroy())
  await until('a stream runs', async () => (await samplesOf(router)).sum('inter_token_latency_seconds_count') > 0)
  const seriesOf = async (): Promise<string[]> => (await samplesOf(router)).series.filter(name => name.includes(worker.url))
  t.match(await seriesOf(), [/./], 'there are series to be removed')

  router.manualWorkers.add(other.url)
  router.manualWorkers.remove(worker.url)
  t.equal(router.workers.get(worker.url)?.state, 'draining')
  await worker.close()
  await until('the worker is gone', () => router.workers.get(worker.url) === undefined)
  t.same(await seriesOf(), [])
  t.equal((await samplesOf(router)).sum('discovery_updates_total', { source: 'static' }), 2, 'it came and went with its source')
})

t.test('a worker that comes back counts from nothing', async t => {
  const [worker] = await startWorkers(t, 1)
  if (worker === undefined) throw new Error('no worker')
  const { url, router } = await startRouter(t, { workerUrls: [worker.url], policy: 'round_robin' })
  await (await post(url + '/v1/chat/completions', chat('a'))).text()
  await until('it is free', () => router.workers.get(worker.url)?.inFlight === 0)
  router.manualWorkers.remove(worker.url)
  router.manualWorkers.add(worker.url)
  await until('it is back', () => router.workers.get(worker.url)?.state === 'ready')
  await (await post(url + '/v1/chat/completions', chat('a'))).text()
  const samples = await samplesOf(router)
  t.equal(samples.sum('processed_requests_total', { worker: worker.url }), 1)
  t.equal(samples.sum('policy_decisions_total', { worker: worker.url }), 1)
})
