// Two routers in one process, in one application even, count apart from each other and from the application's own metrics.
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import fastifyMetrics from 'fastify-metrics'
import t from 'tap'
import { vllmRouter } from '../../router.ts'
import { startWorkers } from '../helpers/router.ts'
import { readSamples } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

t.test('two prefixes in an application that has metrics itself', async t => {
  const [one, two] = await startWorkers(t, 2)
  const routers: FastifyInstance[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyMetrics.default, { endpoint: '/metrics', clearRegisterOnInit: true })
  for (const [prefix, worker, policy] of [['/one', one, 'round_robin'], ['/two', two, 'random']] as const) {
    await app.register(vllmRouter, {
      prefix, policy, workerUrls: [worker?.url ?? ''], metricsPath: '/router/metrics', extend: scope => { routers.push(scope) }
    })
  }
  await app.ready()
  await until('both are ready', () => routers.every(router => router.workers.list().every(worker => worker.state === 'ready')))
  for (const url of ['/one/v1/completions', '/one/v1/completions', '/two/v1/completions']) {
    t.equal((await app.inject({ method: 'POST', url, payload: { model: 'simulated', prompt: 'a' } })).statusCode, 200)
  }
  const pages = await Promise.all(['/one/router/metrics', '/two/router/metrics', '/metrics'].map(async url => await app.inject(url)))
  const [first, second, own] = pages.map(page => readSamples(page.body))
  t.equal(first?.sum('requests_total'), 2)
  t.equal(first?.sum('policy_decisions_total', { policy: 'round_robin', worker: one?.url ?? '' }), 2)
  t.equal(first?.sum('policy_decisions_total'), 2)
  t.equal(second?.sum('requests_total'), 1)
  t.equal(second?.sum('policy_decisions_total', { policy: 'random', worker: two?.url ?? '' }), 1)
  t.notOk(own?.series.some(name => name.startsWith('vllm_router_')), 'none of the application\'s')
  t.ok(own?.type.has('http_request_duration_seconds'), 'which has its own')
  t.match(pages[0]?.headers['content-type'], /^text\/plain; version=/)
})
