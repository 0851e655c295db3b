// An application that registers the router keeps all that is its own: routes, parsers, errors, 404, decorators, log.
import Fastify from 'fastify'
import t from 'tap'
import { vllmRouter } from '../../router.ts'
import { startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

t.test('under a prefix', async t => {
  const [worker, other] = await startWorkers(t, 2)
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  for (const name of ['workers', 'balancer', 'calls', 'upstream', 'discovery', 'draining', 'swagger', 'metricsRegistry']) app.decorate(name, `the host's ${name}`)
  app.setErrorHandler((error: Error, _request, reply) => reply.code(418).send({ host: error.message }))
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ host: 'not found' }))
  app.post('/echo', async request => request.body)
  app.get('/fails', async () => { throw new Error('mine') })
  app.addContentTypeParser('text/csv', { parseAs: 'string' }, (_request, body, done) => done(null, { csv: body }))

  const ready: Array<() => boolean> = []
  for (const [prefix, url, policy] of [['/llm', worker?.url, 'round_robin'], ['/more', other?.url, 'random']] as const) {
    await app.register(vllmRouter, {
      prefix,
      policy,
      workerUrls: [url ?? ''],
      logLevel: 'warn',
      extend: scope => { ready.push(() => scope.workers.list().every(one => one.state === 'ready')) }
    })
  }
  await app.ready()
  await until('both routers are ready', () => ready.length === 2 && ready.every(is => is()))

  t.equal((Reflect.get(app, 'workers')), 'the host\'s workers')
  t.equal((Reflect.get(app, 'swagger')), 'the host\'s swagger')
  t.same((await app.inject({ method: 'POST', url: '/echo', payload: { a: 1 } })).json(), { a: 1 }, 'JSON is parsed as ever')
  t.same((await app.inject({ method: 'POST', url: '/echo', headers: { 'content-type': 'text/csv' }, payload: 'a,b' })).json(), { csv: 'a,b' })
  t.same((await app.inject('/fails')).json(), { host: 'mine' })
  t.same((await app.inject('/nothing')).json(), { host: 'not found' })
  t.notOk((await app.inject({ method: 'POST', url: '/echo', payload: {} })).headers['x-request-id'], 'hooks stay inside, too')

  const answer = await app.inject({ method: 'POST', url: '/llm/v1/completions?a=%20b', payload: { model: 'simulated', prompt: 'a' } })
  t.equal(answer.statusCode, 200)
  t.ok(answer.headers['x-request-id'])
  t.equal(worker?.app.simulator.requests.findLast(({ method }) => method === 'POST')?.url, '/v1/completions?a=%20b', 'the worker sees the path without the prefix')
  t.same((await app.inject('/llm/list_workers')).json(), { urls: [worker?.url] })
  t.same((await app.inject('/more/list_workers')).json(), { urls: [other?.url] })
  t.match((await app.inject('/llm/get_server_info')).json(), { policy: 'round_robin' })
  t.match((await app.inject('/more/get_server_info')).json(), { policy: 'random' })
  t.match((await app.inject({ method: 'POST', url: '/llm/add_worker?url=nothing' })).json(), { error: { code: 'invalid_request' } })
})

t.test('without a prefix the application\'s 404 stays, too', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(vllmRouter, { forwardUnknownPaths: false })
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ host: 'not found' }))
  t.same((await app.inject('/nothing')).json(), { host: 'not found' })
  t.equal((await app.inject('/health')).statusCode, 200)
  t.equal((await app.inject({ method: 'POST', url: '/tokenize', payload: {} })).statusCode, 503, 'named paths are forwarded all the same')
})
