// The router's own routes where requests are split: readiness by pool, workers of two kinds, loads, policies.
import t from 'tap'
import { engines, startPools } from '../helpers/pools.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

t.test('probes', async t => {
  for (const needed of [false, true]) {
    const { app, router, prefill, decode } = await startPools(t, { disableDecodeFallback: needed, healthCheckIntervalSecs: 0.05, healthFailureThreshold: 1 })
    const probe = async (path: string): Promise<[number, unknown]> => {
      const response = await app.inject(path)
      return [response.statusCode, response.json()]
    }
    t.match(await probe('/readiness'), [200, { status: 'ready', prefill: { healthy: 2, total: 2 }, decode: { healthy: 2, total: 2 }, sources: [{ name: 'static' }] }])
    t.same(await probe('/health'), [200, { status: 'healthy', prefill: { healthy: 2, total: 2 }, decode: { healthy: 2, total: 2 } }])
    t.match(await probe('/health_generate'), [200, { status: 'healthy', model: 'raw' }])
    for (const worker of prefill) await worker.close()
    await until('no prefill worker', () => router.workers.candidates('prefill').workers.length === 0)
    t.match(await probe('/readiness'), needed
      ? [503, { status: 'not_ready', reason: 'no prefill worker is ready', prefill: { healthy: 0, total: 2 }, decode: { healthy: 2, total: 2 } }]
      : [200, { status: 'ready', prefill: { healthy: 0, total: 2 }, decode: { healthy: 2, total: 2 } }])
    t.match(await probe('/health'), needed ? [503, { error: { message: /none of 2 prefill workers is ready/ } }] : [200, {}])
    for (const worker of decode) await worker.close()
    await until('no decode worker', () => router.workers.candidates('decode').workers.length === 0)
    t.match((await probe('/readiness'))[0], 503)
    if (!needed) t.match(await probe('/readiness'), [503, { reason: 'no decode worker is ready' }])
    t.match((await probe('/health_generate'))[0], 503)
    t.equal((await probe('/v1/models'))[0], 503)
  }
})

t.test('before there is any worker', async t => {
  const { app } = await startRouter(t, { vllmPdDisaggregation: true })
  t.match((await app.inject('/readiness')).json(), { status: 'not_ready', reason: 'no decode worker is known', prefill: { healthy: 0, total: 0 } })
  t.equal((await app.inject('/health')).statusCode, 200)
})

t.test('workers are added with their type, and removed', async t => {
  const { app, url, router, prefill, decode } = await startPools(t, { prefills: 1, decodes: 1, prefillMetrics: engines(2), decodeDataParallelSize: 1 })
  const another = await startRawWorker(t)
  const add = async (payload: object): Promise<[number, unknown]> => {
    const response = await app.inject({ method: 'POST', url: '/workers', payload })
    return [response.statusCode, response.json()]
  }
  t.match(await add({ url: another.url }), [400, { error: { message: 'The worker\'s type must be prefill or decode here' } }])
  t.match((await add({ url: another.url, worker_type: 'regular' }))[0], 400)
  t.match((await add({ url: another.url, worker_type: 'other' }))[0], 400)
  t.match((await add({ url: another.url, worker_type: 'prefill', bootstrap_port: 0 }))[0], 400)
  t.equal((await app.inject({ method: 'POST', url: '/add_worker', query: { url: another.url } })).statusCode, 400, 'the older form knows no type')
  t.match((await add({ url: another.url, worker_type: 'prefill', bootstrap_port: 9000 }))[0], 200)
  await until('it is ready', () => router.workers.get(another.url)?.state === 'ready')
  const { workers, stats } = await (await fetch(url + '/workers')).json() as { workers: Array<{ url: string, worker_type: string, bootstrap_port?: number }>, stats: object }
  t.same(stats, { prefill_count: 3, decode_count: 1, regular_count: 0 })
  t.match(workers.find(worker => worker.url === another.url), { worker_type: 'prefill', bootstrap_port: 9000 })
  t.equal((await app.inject({ method: 'DELETE', url: '/workers/' + encodeURIComponent(prefill[0]?.url ?? '') })).statusCode, 200)
  t.same(router.workers.list().map(worker => worker.url).sort(), [another.url, decode[0]?.url].sort())

  t.match((await app.inject('/get_loads')).json(), { loads: { [`prefill_${another.url}`]: 0, [`decode_${decode[0]?.url ?? ''}`]: 0 }, errors: [] })
  t.match((await app.inject('/get_server_info')).json(), { policy: 'round_robin', prefill_policy: 'round_robin', decode_policy: 'round_robin', workers: { total: 2, ready: 2 } })
})

t.test('elsewhere there is one kind', async t => {
  const { app } = await startRouter(t)
  const response = await app.inject({ method: 'POST', url: '/workers', payload: { url: 'http://127.0.0.1:9', worker_type: 'decode' } })
  t.same([response.statusCode, response.json<{ error: { message: string } }>().error.message], [400, 'The worker\'s type must be regular here'])
  t.equal((await app.inject({ method: 'POST', url: '/workers', payload: { url: 'http://127.0.0.1:9', worker_type: 'regular' } })).statusCode, 200)
})
