// Browsers are told which pages may use the router: any by default, those of a list else; workers' own words on it are not repeated.
import Fastify from 'fastify'
import t from 'tap'
import { vllmRouter } from '../../router.ts'
import type { VllmRouterOptions } from '../../router.ts'
import { send } from '../helpers/raw-client.ts'
import type { RawAnswer } from '../helpers/raw-client.ts'
import { startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import type { Answer } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { call, connectHttp2 } from '../helpers/http2-client.ts'
import { startSecureRouter } from '../helpers/tls.ts'
import { until } from '../helpers/until.ts'

const page = 'https://chat.example'
const forwarded = ['/v1/chat/completions', '/v1/responses', '/tokenize', '/any/path']
const own = ['/v1/models', '/liveness', '/router/openapi.json']

/** As vLLM answers a page. */
const asVllm: Answer = (request, response) => {
  if (request.headers.origin !== undefined) {
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('access-control-allow-credentials', 'true')
    response.setHeader('access-control-expose-headers', 'x-of-the-worker')
  }
  response.setHeader('vary', 'accept')
  response.end('{}')
}

const corsOf = ({ headers }: Pick<RawAnswer, 'headers'>): Record<string, string[]> =>
  Object.fromEntries([...new Set(headers.filter((name, at) => at % 2 === 0 && /^access-control-/i.test(name)))].map(name => [name.toLowerCase(), valuesOf(headers, name.toLowerCase())]))

function ask (port: number, method: string, path: string, headers: Record<string, string>): Promise<RawAnswer> {
  return send(port, { method, path, headers: Object.entries(headers), ...(method === 'POST' ? { body: '{}' } : {}) })
}

const preflight = (port: number, path: string, origin = page): Promise<RawAnswer> =>
  ask(port, 'OPTIONS', path, { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,x-stainless-os' })

t.test('any page', async t => {
  const worker = await startRawWorker(t, asVllm)
  const { port } = await startRouter(t, { workerUrls: [worker.url], cors: true, maxPayloadSize: 100 })
  const expected = { 'access-control-allow-origin': ['*'], 'access-control-expose-headers': ['x-request-id, x-vllm-router-decision'] }
  for (const path of [...forwarded, ...own]) {
    const method = own.includes(path) ? 'GET' : 'POST'
    t.same(corsOf(await ask(port, method, path, { origin: page })), expected, `${path}: once, and not the worker's`)
    t.same(corsOf(await ask(port, method, path, {})), {}, `${path}: nobody asked`)
    const before = worker.requests.length
    const answer = await preflight(port, path)
    t.equal(answer.status, 204, path)
    t.same(corsOf(answer), { ...expected, 'access-control-allow-methods': ['*'], 'access-control-allow-headers': ['authorization,x-stainless-os'], 'access-control-max-age': ['3600'] }, path)
    t.equal(answer.body.length, 0)
    t.equal(worker.requests.length, before, 'the router answers by itself')
  }
  const tooLong = await send(port, { path: '/v1/completions', headers: [['origin', page]], body: 'x'.repeat(200) })
  t.same([tooLong.status, corsOf(tooLong)], [413, expected], 'errors can be read, too')
  t.same(corsOf(await ask(port, 'GET', '/workers', { origin: page })), {}, 'not the admin routes')
  t.equal((await preflight(port, '/workers')).status, 405)
  const change = '/add_worker?url=http://127.0.0.1:9'
  const foreign = await ask(port, 'POST', change, { origin: page, 'sec-fetch-site': 'cross-site' })
  t.same([foreign.status, (JSON.parse(foreign.body.toString()) as { error: { code: string } }).error.code], [403, 'foreign_page'], 'nor may they change the fleet unasked')
  t.equal((await ask(port, 'GET', '/workers', { 'sec-fetch-site': 'cross-site' })).status, 200, 'a link from elsewhere is no change')
  t.equal((await ask(port, 'POST', change, { origin: 'http://127.0.0.1', 'sec-fetch-site': 'same-origin' })).status, 200, 'the router\'s own page may')
  t.equal((await ask(port, 'POST', '/tokenize', { origin: page, 'sec-fetch-site': 'cross-site' })).status, 200)
  const before = worker.requests.length
  t.equal((await ask(port, 'OPTIONS', '/any/path', { origin: page })).status, 200, 'OPTIONS that asks for nothing beforehand is a method like any other')
  t.equal(worker.requests.length, before + 1)
})

t.test('pages of a list', async t => {
  const worker = await startRawWorker(t, asVllm)
  const { port, router } = await startRouter(t, { workerUrls: [worker.url], corsAllowedOrigins: [page, 'http://localhost:5173'] })
  for (const path of [...forwarded, ...own, '/workers']) {
    const method = forwarded.includes(path) ? 'POST' : 'GET'
    const answer = await ask(port, method, path, { origin: page })
    t.same(corsOf(answer), { 'access-control-allow-origin': [page], 'access-control-expose-headers': ['x-request-id, x-vllm-router-decision'] }, path)
    t.same(valuesOf(answer.headers, 'vary').flatMap(value => value.split(', ')).sort(), forwarded.includes(path) ? ['Origin', 'accept'] : ['Origin'], 'caches are told, and of what the worker says')
    t.equal(corsOf(await ask(port, method, path, { origin: 'https://evil.example' }))['access-control-allow-origin'], undefined, `${path}: another page`)
    const allowed = await preflight(port, path, 'http://localhost:5173')
    t.equal(allowed.status, 204)
    t.match(corsOf(allowed), {
      'access-control-allow-origin': ['http://localhost:5173'],
      'access-control-allow-methods': ['GET, POST, DELETE, OPTIONS'],
      'access-control-allow-headers': ['Content-Type, Authorization'],
      'access-control-max-age': ['3600']
    })
    t.equal(corsOf(await preflight(port, path, 'https://evil.example'))['access-control-allow-origin'], undefined)
  }
  t.equal((await ask(port, 'POST', '/add_worker?url=http://127.0.0.1:9', { origin: page, 'sec-fetch-site': 'cross-site' })).status, 200, 'a page of the list may change the fleet')
  router.corsPolicy.configure({ corsAllowedOrigins: ['https://other.example'] })
  t.equal(corsOf(await preflight(port, '/v1/models'))['access-control-allow-origin'], undefined, 'the list may change')
  t.same(corsOf(await preflight(port, '/v1/models', 'https://other.example'))['access-control-allow-origin'], ['https://other.example'])
})

t.test('inside an application it is its own affair unless told otherwise', async t => {
  const worker = await startRawWorker(t, asVllm)
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  app.get('/hello', async () => 'world')
  const ready: Array<() => boolean> = []
  const common: VllmRouterOptions = {
    workerUrls: [worker.url], forwardUnknownPaths: false, extend: scope => { ready.push(() => scope.workers.list().every(one => one.state === 'ready')) }
  }
  const without = await startRouter(t, common)
  t.same(corsOf(await ask(without.port, 'POST', '/tokenize', { origin: page }))['access-control-expose-headers'], ['x-of-the-worker'], 'the worker\'s own words')
  await app.register(vllmRouter, { ...common, prefix: '/with', corsAllowedOrigins: [page] })
  await app.register(vllmRouter, { ...common, corsAllowedOrigins: ['*'] })
  const port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
  await until('the workers are ready', () => ready.every(check => check()))
  t.same(corsOf(await ask(port, 'POST', '/with/tokenize', { origin: page }))['access-control-allow-origin'], [page])
  for (const [prefix, origin] of [['/with', page], ['', '*']] as const) {
    for (const path of ['/v1/chat/completions', '/v1/models', '/v1/responses/a', '/tokenize', '/liveness']) {
      const answer = await preflight(port, prefix + path)
      t.same([answer.status, corsOf(answer)['access-control-allow-origin']], [204, [origin]], prefix + path)
    }
    t.equal((await ask(port, 'OPTIONS', `${prefix}/v1/chat/completions`, {})).status, 404)
  }
  t.same(corsOf(await ask(port, 'GET', '/hello', { origin: page })), {}, 'its own routes are not touched')
  t.equal((await preflight(port, '/hello')).status, 404)
})

t.test('over HTTP/2', async t => {
  const worker = await startRawWorker(t, asVllm)
  const { url } = await startSecureRouter(t, { workerUrls: [worker.url] })
  const session = await connectHttp2(t, url)
  for (const path of forwarded) {
    const { headers } = await call(session, { ':method': 'POST', ':path': path, origin: page }, '{}').answer
    t.match(headers, { 'access-control-allow-origin': '*', 'access-control-allow-credentials': undefined })
  }
  const { status, headers } = await call(session, { ':method': 'OPTIONS', ':path': '/v1/models', origin: page, 'access-control-request-method': 'GET' }).answer
  t.match([status, headers['access-control-allow-origin']], [204, '*'])
})
