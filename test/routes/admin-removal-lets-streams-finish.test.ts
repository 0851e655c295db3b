// A worker removed while it is busy finishes its stream, gets no new request, and is gone then.
import t from 'tap'
import { chat, post } from '../helpers/client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

t.test('a stream and a new request', async t => {
  const workers = await startWorkers(t, 2, { interTokenLatencyMs: 5 })
  const [busy, other] = workers.map(worker => worker.url) as [string, string]
  const { url, app, router } = await startRouter(t, { workerUrls: [busy], policy: 'round_robin' })
  const stream = await post(url + '/v1/chat/completions', chat('a', { stream: true, max_tokens: 60 }))
  t.equal((await app.inject({ method: 'POST', url: '/add_worker', query: { url: other } })).statusCode, 200)
  await until('the other is ready', () => router.workers.get(other)?.state === 'ready')
  t.equal((await app.inject({ method: 'DELETE', url: '/workers/' + encodeURIComponent(busy) })).statusCode, 200)
  t.match((await app.inject('/workers/' + encodeURIComponent(busy))).json(), { state: 'draining', in_flight: 1, is_healthy: false })
  for (let i = 0; i < 4; i++) await (await post(url + '/v1/chat/completions', chat('b', { max_tokens: 1 }))).text()
  t.equal(router.workers.get(other)?.processed, 4)
  t.equal(router.workers.get(busy)?.processed, 1)
  t.match(await stream.text(), /data: \[DONE\]\n\n$/)
  await until('it is gone', () => router.workers.get(busy) === undefined)
  t.same((await app.inject('/list_workers')).json(), { urls: [other] })
})
