// Requests that do not end well are counted like all others, and by the way they ended.
import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { chat, post, sendRaw } from '../helpers/client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import type { TestRouter } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

const route = '/v1/chat/completions'

async function counted (t: Test, { router }: TestRouter, error: string, at = route): Promise<void> {
  await until(`one ${error}`, async () => (await samplesOf(router)).sum('request_errors_total') > 0)
  const samples = await samplesOf(router)
  t.equal(samples.sum('request_errors_total', { route: at, error_type: error }), 1, error)
  t.equal(samples.sum('request_errors_total'), 1, 'and nothing else')
  t.equal(samples.sum('requests_total', { route: at }), 1, 'counted as a request')
  t.equal(samples.sum('request_duration_seconds_count', { route: at }), 1, 'timed')
  t.same(router.workers.list().map(worker => worker.inFlight), router.workers.list().map(() => 0), 'nothing is left in flight')
}

t.test('no worker', async t => {
  const started = await startRouter(t)
  t.equal((await post(started.url + route, chat('a'))).status, 503)
  await counted(t, started, 'no_available_workers')
})

t.test('a worker that nobody is at any more', async t => {
  const [worker] = await startWorkers(t, 1)
  const started = await startRouter(t, { workerUrls: [worker?.url ?? ''] })
  await worker?.close()
  t.equal((await post(started.url + route, chat('a'))).status, 502)
  await counted(t, started, 'worker_unreachable')
})

t.test('a body beyond the limit', async t => {
  const started = await startRouter(t, { maxPayloadSize: 100 })
  t.equal((await post(started.url + route, chat('a'.repeat(200)))).status, 413)
  await counted(t, started, 'payload_too_large')
})

for (const status of [400, 429, 500]) {
  t.test(`the worker's own ${status}`, async t => {
    const [worker] = await startWorkers(t, 1)
    const started = await startRouter(t, { workerUrls: [worker?.url ?? ''] })
    await worker?.app.simulator.failures.set({ mode: 'status', status })
    t.equal((await post(started.url + route, chat('a'))).status, status)
    await counted(t, started, 'backend_error')
  })
}

t.test('a path of the worker that it does not have', async t => {
  const [worker] = await startWorkers(t, 1)
  const started = await startRouter(t, { workerUrls: [worker?.url ?? ''] })
  t.equal((await fetch(started.url + '/nothing')).status, 404)
  await counted(t, started, 'backend_error', 'other')
})

t.test('a client that leaves before the answer', async t => {
  const [worker] = await startWorkers(t, 1)
  const started = await startRouter(t, { workerUrls: [worker?.url ?? ''] })
  await worker?.app.simulator.failures.set({ mode: 'hang' })
  const socket = await sendRaw(started.port, route, chat('a'))
  await until('the request is with the worker', () => started.router.workers.list()[0]?.inFlight === 1)
  socket.destroy()
  await counted(t, started, 'client_gone')
})

t.test('a client that leaves within the stream', async t => {
  const [worker] = await startWorkers(t, 1, { interTokenLatencyMs: 1 })
  const started = await startRouter(t, { workerUrls: [worker?.url ?? ''] })
  const socket = await sendRaw(started.port, route, chat('a', { stream: true, max_tokens: 30_000 }))
  await once(socket, 'data')
  socket.destroy()
  await counted(t, started, 'client_gone')
})

t.test('a stream that breaks', async t => {
  const [worker] = await startWorkers(t, 1, { interTokenLatencyMs: 1 })
  const started = await startRouter(t, { workerUrls: [worker?.url ?? ''] })
  await worker?.app.simulator.failures.set({ mode: 'reset_stream' })
  await (await post(started.url + route, chat('a', { stream: true, max_tokens: 50 }))).text()
  await counted(t, started, 'stream_broken')
})

t.test('a request that ends well is no error', async t => {
  const [worker] = await startWorkers(t, 1)
  const { url, router } = await startRouter(t, { workerUrls: [worker?.url ?? ''] })
  await (await post(url + route, chat('a'))).text()
  await until('it is counted', async () => (await samplesOf(router)).sum('requests_total') === 1)
  t.equal((await samplesOf(router)).sum('request_errors_total'), 0)
})
