// Loads, caches and models of the whole fleet, as far as the workers tell.
import t from 'tap'
import { chat, post, sendRaw } from '../helpers/client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

t.test('/get_loads', async t => {
  const [plain, ranked] = [...await startWorkers(t, 1), ...await startWorkers(t, 1, { ranks: 2, interTokenLatencyMs: 1 })]
  const { app, port, router } = await startRouter(t, { workerUrls: [plain?.url ?? '', `${ranked?.url}@1`, 'http://127.0.0.1:9'], policy: 'round_robin' }, false)
  await until('two are ready', () => router.workers.candidates('regular').workers.length === 2)
  const sockets = [await sendRaw(port, '/v1/chat/completions', chat('a', { max_tokens: 30_000 })), await sendRaw(port, '/v1/chat/completions', chat('a', { max_tokens: 30_000 }))]
  t.teardown(() => sockets.forEach(socket => socket.destroy()))
  const loads = async (): Promise<unknown> => (await app.inject('/get_loads')).json()
  await until('both work', async () => !JSON.stringify(await loads()).includes('"load":0'))
  t.same(await loads(), { workers: [{ worker: plain?.url, load: 1 }, { worker: `${ranked?.url}@1`, load: 1 }, { worker: 'http://127.0.0.1:9', load: -1 }] })
})

t.test('/flush_cache', async t => {
  const [worker] = await startWorkers(t, 1)
  const { app, url, router } = await startRouter(t, { workerUrls: [worker?.url ?? ''] })
  await (await post(url + '/v1/chat/completions', chat('word '.repeat(500)))).text()
  const size = (): number | undefined => router.workers.list().map(entry => router.balancer.policy.size?.(entry))[0]
  t.ok((size() ?? 0) > 0)
  const flushed = await app.inject({ method: 'POST', url: '/flush_cache' })
  t.equal(flushed.statusCode, 200)
  t.same(flushed.json(), { status: 'ok', workers: [{ worker: worker?.url, flushed: true }] })
  t.equal(size(), 0, 'the policy forgot, too')
  await worker?.app.simulator.failures.set({ mode: 'status', status: 404 })
  const refused = await app.inject({ method: 'POST', url: '/flush_cache' })
  t.equal(refused.statusCode, 207)
  t.same(refused.json(), { status: 'partial', workers: [{ worker: worker?.url, flushed: false }] })
})

t.test('/get_server_info and /get_model_info', async t => {
  const workers = [...await startWorkers(t, 1, { model: 'base', loras: ['adapter'] }), ...await startWorkers(t, 1, { model: 'other' })]
  const { app } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'random' })
  t.match((await app.inject('/get_server_info')).json(), { name: 'fastify-vllm-router', version: /^\d/, policy: 'random', uptime_seconds: Number, workers: { total: 2, ready: 2 } })
  t.same((await app.inject('/get_model_info')).json(), { model_path: 'base', is_generation: true, models: ['base', 'adapter', 'other'] })
  t.same((await app.inject('/v1/models')).json<{ data: Array<{ id: string }> }>().data.map(({ id }) => id), ['base', 'adapter', 'other'])
  t.match((await app.inject('/v1/models/adapter')).json(), { id: 'adapter', object: 'model' })
  t.equal((await app.inject('/v1/models/unknown')).statusCode, 404, 'the worker\'s own answer')
})
