// The forward plugin works without the retry plugin: every request is tried once, and its answer or failure is the client's.
import Fastify from 'fastify'
import t from 'tap'
import discovery from '../../plugins/discovery.ts'
import caller from '../../plugins/caller.ts'
import errors from '../../plugins/errors.ts'
import forward from '../../plugins/forward.ts'
import loadBalancer from '../../plugins/load-balancer.ts'
import rawBody from '../../plugins/raw-body.ts'
import requestId from '../../plugins/request-id.ts'
import upstream from '../../plugins/upstream.ts'
import workers from '../../plugins/workers.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'

t.test('alone', async t => {
  const [one, two] = [await startRawWorker(t), await startRawWorker(t)]
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  await app.register(requestId)
  await app.register(errors)
  await app.register(caller)
  await app.register(rawBody)
  await app.register(workers)
  await app.register(discovery, { sources: [] })
  await app.register(loadBalancer, { policy: 'round_robin' })
  await app.register(upstream)
  await app.register(forward)
  app.post('/dispatch', (_request, reply) => { reply.forward({ via: 'dispatch' }) })
  app.post('/from', (_request, reply) => { reply.forward({ via: 'from' }) })
  app.workers.apply('test', [{ url: one.url }, { url: two.url }])
  for (const worker of app.workers.list()) app.workers.setState(worker, 'ready', 'test')
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  let asked = 0
  for (const path of ['/dispatch', '/from']) {
    for (const worker of [one, two]) worker.answer = (_request, response) => { response.writeHead(503, { 'retry-after': '9' }).end('busy') }
    for (let i = 0; i < 3; i++) {
      const response = await fetch(url + path, { method: 'POST', body: 'x' })
      t.same([response.status, await response.text(), response.headers.get('retry-after')], [503, 'busy', '9'])
      asked++
    }
    for (const worker of [one, two]) worker.answer = (_request, _response, socket) => { socket.resetAndDestroy() }
    t.equal((await fetch(url + path, { method: 'POST', body: 'x' })).status, 502)
    asked++
    t.equal(one.requests.length + two.requests.length, asked)
  }
  t.ok(app.workers.list().every(worker => worker.inFlight === 0))
})
