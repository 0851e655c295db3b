// The plugins work in somebody's own application without router.ts; one whose needs are missing says so at the start.
import Fastify from 'fastify'
import t from 'tap'
import { staticSource } from '../../discovery/static.ts'
import accessLog from '../../plugins/access-log.ts'
import admission from '../../plugins/admission.ts'
import auth from '../../plugins/auth.ts'
import caller from '../../plugins/caller.ts'
import disaggregation from '../../plugins/disaggregation.ts'
import discovery from '../../plugins/discovery.ts'
import drain from '../../plugins/drain.ts'
import errors from '../../plugins/errors.ts'
import forward from '../../plugins/forward.ts'
import health from '../../plugins/health.ts'
import loadBalancer from '../../plugins/load-balancer.ts'
import manualWorkers from '../../plugins/manual-workers.ts'
import metricsListener from '../../plugins/metrics-listener.ts'
import metrics from '../../plugins/metrics.ts'
import rawBody from '../../plugins/raw-body.ts'
import requestId from '../../plugins/request-id.ts'
import upstream from '../../plugins/upstream.ts'
import workers from '../../plugins/workers.ts'
import { startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

t.test('choosing workers without forwarding to them', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(workers)
  await app.register(discovery, { sources: [staticSource([{ url: 'http://127.0.0.1:9' }, { url: 'http://127.0.0.1:10' }])] })
  await app.register(loadBalancer, { policy: 'round_robin' })
  await app.ready()
  for (const worker of app.workers.list()) app.workers.setState(worker, 'ready', 'said by hand')
  const routing = { model: undefined, header: () => undefined, session: undefined, opening: undefined, prefix: { hashes: [], ends: [], length: 0 } }
  const picked = [1, 2, 3].map(() => app.balancer.assign('regular', routing)?.worker.id)
  t.equal(new Set(picked).size, 2)
  t.equal(app.workers.list().reduce((sum, worker) => sum + worker.inFlight, 0), 3)
})

t.test('a router of one route', async t => {
  const [worker] = await startWorkers(t, 1)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(requestId)
  await app.register(errors)
  await app.register(caller)
  await app.register(rawBody)
  await app.register(drain)
  await app.register(workers)
  await app.register(discovery, { sources: [staticSource([{ url: worker?.url ?? '' }])] })
  await app.register(loadBalancer)
  await app.register(upstream)
  await app.register(health)
  await app.register(forward)
  await app.register(admission, { maxConcurrentRequests: 1 })
  await app.register(metrics, { processMetrics: false })
  await app.register(metricsListener, { prometheusPort: 0 })
  await app.register(accessLog)
  app.post('/v1/completions', { config: { workerRoute: 'mine' } }, (_request, reply) => { reply.forward({ via: 'dispatch' }) })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  await until('the worker is ready', () => app.workers.list()[0]?.state === 'ready')
  const response = await fetch(url + '/v1/completions', {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ model: 'simulated', prompt: 'a' })
  })
  t.equal(response.status, 200)
  t.match(await response.json(), { object: 'text_completion' })
  await until('it is counted', async () => (await samplesOf(app)).sum('requests_total', { route: 'mine' }) === 1)
  t.equal((await samplesOf(app)).series.some(name => name.startsWith('process_')), false)
})

t.test('what is missing is named at the start', async t => {
  const cases = [
    [discovery, { sources: [] }, 'workers'], [loadBalancer, {}, 'workers'], [manualWorkers, {}, 'workers'], [health, {}, 'workers'],
    [forward, {}, 'workers'], [admission, {}, 'workers'], [metrics, {}, 'workers'], [metricsListener, {}, 'metricsRegistry'], [accessLog, {}, 'routerFailure'],
    [auth, {}, 'routerFailure'], [disaggregation, {}, 'workers']
  ] as const
  for (const [plugin, options, missing] of cases) {
    const app = Fastify()
    await t.rejects(async () => { await app.register(plugin as typeof accessLog, options) }, { message: new RegExp(`'${missing}'.*vllm-router-`) }, missing)
    await app.close()
  }
})

t.test('bad options are errors of the start, not of the process', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(workers)
  await t.rejects(async () => { await app.register(loadBalancer, { policy: 'none_such' }) }, /none_such/)
  const twice = Fastify()
  t.teardown(() => twice.close())
  await twice.register(workers)
  const source = staticSource([])
  await t.rejects(async () => { await twice.register(discovery, { sources: [source, source] }) }, /two sources are named static/)
})
