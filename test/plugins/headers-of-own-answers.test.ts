// Answers of the router's own say that they are what they say they are, and hold now only; its pages load nothing from elsewhere. Workers' answers are left alone.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

t.test('headers', async t => {
  const worker = await startRawWorker(t)
  const { port } = await startRouter(t, { workerUrls: [worker.url], swaggerUi: true, adminApiKey: 'key', maxPayloadSize: 100 })
  const key = [['authorization', 'Bearer key']] as const
  const own: ReadonlyArray<readonly [name: string, request: Parameters<typeof send>[1], status: number]> = [
    ['probe', { method: 'GET', path: '/liveness' }, 200],
    ['probe', { method: 'GET', path: '/readiness' }, 200],
    ['admin', { method: 'GET', path: '/workers', headers: key }, 200],
    ['admin, refused', { method: 'GET', path: '/workers' }, 401],
    ['admin, unknown', { method: 'GET', path: '/workers/x', headers: key }, 404],
    ['another method', { method: 'PUT', path: '/liveness' }, 405],
    ['models', { method: 'GET', path: '/v1/models' }, 200],
    ['a model', { method: 'GET', path: '/v1/models/raw' }, 200],
    ['description', { method: 'GET', path: '/router/openapi.json' }, 200],
    ['an error on the way to a worker', { path: '/v1/completions', body: 'x'.repeat(200) }, 413]
  ]
  for (const [name, request, status] of own) {
    const answer = await send(port, request)
    t.equal(answer.status, status, name)
    t.same(valuesOf(answer.headers, 'x-content-type-options'), ['nosniff'], name)
    t.same(valuesOf(answer.headers, 'cache-control'), ['no-store'], name)
  }
  for (const path of ['/router/docs', '/router/docs/static/swagger-ui.css']) {
    const answer = await send(port, { method: 'GET', path })
    t.equal(answer.status, 200)
    t.same(valuesOf(answer.headers, 'x-content-type-options'), ['nosniff'], path)
    const [policy] = valuesOf(answer.headers, 'content-security-policy')
    t.match(policy, /^default-src 'none';.*frame-ancestors 'none'.*script-src 'self';/)
    t.notMatch(policy, /https?:/)
  }
  for (const path of ['/v1/completions', '/v1/responses', '/tokenize', '/any/path', '/v1/models/unknown']) {
    const { headers } = await send(port, { method: path.startsWith('/v1/models') ? 'GET' : 'POST', path, body: '{}' })
    for (const name of ['x-content-type-options', 'cache-control', 'content-security-policy']) t.same(valuesOf(headers, name), [], `${path}: ${name}`)
  }
})
