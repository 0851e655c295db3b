// No path, method or spelling gets past the check; only the exempt paths do, exactly as they are written.
import Fastify from 'fastify'
import t from 'tap'
import { vllmRouter } from '../../router.ts'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

const authenticate = ({ headers }: { headers: Record<string, unknown> }): { name: string } | null => headers['x-me'] === undefined ? null : { name: 'me' }
const me = ['x-me', '1'] as const

const own: ReadonlyArray<[method: string, path: string]> = [
  ['GET', '/list_workers'], ['POST', '/add_worker?url=http://127.0.0.1:9'], ['POST', '/remove_worker?url=http://127.0.0.1:9'], ['GET', '/workers'], ['POST', '/workers'],
  ['DELETE', '/workers/http%3A%2F%2F127.0.0.1%3A9'], ['GET', '/get_loads'], ['GET', '/decisions'], ['POST', '/flush_cache'], ['POST', '/finish_session?session_id=a'], ['GET', '/get_server_info'], ['GET', '/get_model_info'],
  ['GET', '/health_generate'], ['GET', '/v1/models'], ['HEAD', '/v1/models'], ['GET', '/v1/models/raw'], ['GET', '/router/openapi.json'], ['GET', '/router/docs'], ['GET', '/router/docs/'],
  ['GET', '/router/docs/static/index.html'], ['GET', '/metrics'], ['PUT', '/workers'], ['DELETE', '/list_workers'], ['OPTIONS', '/workers'], ['GET', '/mine']
]
const forwarded: ReadonlyArray<[method: string, path: string]> = [
  ['POST', '/v1/chat/completions'], ['POST', '/v1/responses'], ['GET', '/v1/responses/resp_1'], ['POST', '/tokenize'], ['GET', '/'], ['GET', '/some/path'], ['OPTIONS', '/v1/chat/completions'],
  ['POST', '/v1/%63hat/completions'], ['POST', '//v1/chat/completions'], ['GET', '/v1/models?x=/health'], ['PUT', '/v1/chat/completions']
]
/** Look like exempt paths and are others. */
const tricks = [
  '//health', '/health/', '/health//', '/Health', '/HEALTH', '/%68ealth', '/health%2f', '/health%2F', '/health/.', '/./health', '/x/../health', '/health;x', '/health%3fx', '/health%00', '/health%20',
  '/health#x', '/health\\', '/healthz', '/health/x', '/v1/models/../../health', '/liveness/', '/readiness%2e', '/%2e/health', '/health%23'
]

for (const prefix of ['', '/llm']) {
  t.test(`under ${prefix === '' ? 'no prefix' : prefix}`, async t => {
    const worker = await startRawWorker(t)
    const app = Fastify({ forceCloseConnections: true })
    app.get('/outside', async () => 'open')
    await app.register(vllmRouter, {
      prefix,
      workerUrls: [worker.url],
      authenticate,
      swaggerUi: true,
      metricsPath: '/metrics',
      extend (router) { router.get('/mine', { schema: { hide: true } }, async request => request.caller) }
    } as Parameters<typeof vllmRouter>[1])
    t.teardown(() => app.close())
    const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
    while ((await send(Number(port), { method: 'GET', path: prefix + '/readiness' })).status !== 200) await new Promise(resolve => setImmediate(resolve))
    const status = async (method: string, path: string, ...headers: Array<readonly [string, string]>): Promise<number> => (await send(Number(port), { method, path: path.startsWith('http:') ? path : prefix + path, headers })).status

    // what can be read in more than one way is refused before anybody is asked who he is
    for (const [method, path] of [...own, ...forwarded]) t.equal(await status(method, path), path.startsWith('//') ? 400 : 401, `${method} ${path}`)
    for (const path of tricks) t.match(String(await status('GET', path)), /^40[01]$/, path)
    t.equal(worker.requests.length, 0, 'nothing got through')
    for (const path of ['/health', '/liveness', '/readiness', '/health?x=1', '/readiness?/../x', `http://router.example${prefix}/health`]) t.equal(await status('GET', path), 200, path)
    t.equal(await status('HEAD', '/health'), 200)
    t.equal(await status('POST', '/health'), 405)
    t.equal((await send(Number(port), { method: 'GET', path: '/outside' })).status, 200, 'the application\'s own routes are its own')
    for (const [method, path] of own) t.not(await status(method, path, me), 401, `${method} ${path}`)
    for (const [method, path] of forwarded) t.not(await status(method, path, me), 401, `${method} ${path}`)
    t.ok(worker.requests.length >= forwarded.length - 2)
    // no path at all: nobody's answer, before any route
    t.equal(await status('GET', '/%zz'), 400)
  })
}

t.test('a path nobody has', async t => {
  const app = Fastify()
  await app.register(vllmRouter, { prefix: '/llm', authenticate, forwardUnknownPaths: false } as Parameters<typeof vllmRouter>[1])
  t.teardown(() => app.close())
  t.equal((await app.inject('/llm/none/such')).statusCode, 401)
  t.equal((await app.inject({ url: '/llm/none/such', headers: { 'x-me': '1' } })).statusCode, 404)
})

t.test('routes that say who may use them', async t => {
  const { url } = await startRouter(t, {
    authenticate: ({ headers }) => headers['x-me'] === undefined ? null : { name: 'me', models: ['m'] },
    extend (router) {
      router.get('/open', { config: { auth: 'none' } }, async request => ({ caller: request.caller }))
      router.get('/all', { config: { auth: 'any' } }, async request => ({ caller: request.caller?.name }))
      router.get('/full', async () => 'full')
    }
  })
  const get = async (path: string, headers: Record<string, string> = {}): Promise<[number, unknown]> => {
    const reply = await fetch(url + path, { headers })
    return [reply.status, await reply.json()]
  }
  t.same(await get('/open'), [200, { caller: null }])
  t.same((await get('/all'))[0], 401)
  t.same(await get('/all', { 'x-me': '1' }), [200, { caller: 'me' }])
  t.match(await get('/full', { 'x-me': '1' }), [403, { error: { code: 'not_allowed', type: 'permission_error' } }])
})
