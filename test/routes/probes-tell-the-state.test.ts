// The probes: alive as long as the process runs, ready when a request could be served, healthy while not all workers are out.
import t from 'tap'
import type { Test } from 'tap'
import type { FastifyInstance } from 'fastify'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

async function probe (t: Test, app: FastifyInstance, expected: Readonly<Record<string, number>>, name: string): Promise<void> {
  for (const [path, status] of Object.entries({ liveness: 200, ...expected })) {
    const response = await app.inject('/' + path)
    t.equal(response.statusCode, status, `/${path}: ${name}`)
    if (status !== 200 && path !== 'readiness') {
      t.match(response.json(), { error: { code: 'no_available_workers' } })
      t.equal(response.headers['retry-after'], '1')
    }
  }
}

t.test('no worker', async t => {
  const { app } = await startRouter(t)
  await probe(t, app, { readiness: 503, health: 200, health_generate: 503 }, 'no worker')
  t.match((await app.inject('/readiness')).json(), { status: 'not_ready', reason: 'no worker is known', total_workers: 0 })
  t.same((await app.inject('/health')).json(), { status: 'healthy', healthy_workers: 0, total_workers: 0 })
})

t.test('workers that come, fail and leave', async t => {
  const [worker] = await startWorkers(t, 1)
  const { app, router } = await startRouter(t, { workerUrls: [worker?.url ?? '', 'http://127.0.0.1:9'], healthCheckIntervalSecs: 0.05, workerStartupTimeoutSecs: 0.01, healthFailureThreshold: 1 }, false)
  await until('one is ready, the other not', () => router.workers.list().map(one => one.state).join() === 'ready,unhealthy')
  await probe(t, app, { readiness: 200, health: 200, health_generate: 200 }, 'one of two')
  t.match((await app.inject('/readiness')).json(), { status: 'ready', healthy_workers: 1, total_workers: 2 })
  t.match((await app.inject('/health')).json(), { status: 'healthy', healthy_workers: 1, total_workers: 2 })
  t.match((await app.inject('/health_generate')).json(), { status: 'healthy', model: 'simulated', worker: /^w-/ })

  await worker?.app.simulator.failures.set({ mode: 'status', path: '/v1/completions' })
  await probe(t, app, { readiness: 200, health_generate: 503 }, 'it lives and generates nothing')
  t.notMatch((await app.inject('/health_generate')).body, /127\.0\.0\.1/)

  await worker?.app.simulator.failures.set({ mode: 'refuse' })
  await until('it is out', () => router.workers.list().every(one => one.state === 'unhealthy'))
  await probe(t, app, { readiness: 503, health: 503, health_generate: 503 }, 'all out')
  t.match((await app.inject('/readiness')).json(), { status: 'not_ready', reason: 'no worker is ready', total_workers: 2 })

  await worker?.app.simulator.failures.clear()
  await until('it is back', () => router.workers.list().some(one => one.state === 'ready'))
  await probe(t, app, { readiness: 200, health: 200, health_generate: 200 }, 'back')
})

t.test('a worker that tells no models does not hide those that do', async t => {
  const workers = await startWorkers(t, 2)
  await workers[0]?.app.simulator.failures.set({ mode: 'status', status: 404, path: '/v1/models' })
  const { app } = await startRouter(t, { workerUrls: workers.map(worker => worker.url) })
  await probe(t, app, { readiness: 200, health_generate: 200 }, 'one of two tells')
})
