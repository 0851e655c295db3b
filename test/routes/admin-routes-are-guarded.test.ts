// The admin routes can have a key of their own, a listener of their own, or both; without, they are as ever.
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import { vllmRouter } from '../../router.ts'
import { open } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { startSecureRouter } from '../helpers/tls.ts'
import { connectHttp2, call } from '../helpers/http2-client.ts'
import { until } from '../helpers/until.ts'

/** Every admin route, with a request it takes. */
const admin: ReadonlyArray<readonly [method: string, path: string]> = [
  ['GET', '/list_workers'], ['HEAD', '/list_workers'], ['POST', '/add_worker?url=http://127.0.0.1:9'], ['POST', '/remove_worker?url=http://127.0.0.1:9'],
  ['GET', '/workers'], ['POST', '/workers'], ['GET', '/workers/http%3A%2F%2F127.0.0.1%3A9'], ['DELETE', '/workers/http%3A%2F%2F127.0.0.1%3A9'],
  ['GET', '/get_loads'], ['GET', '/decisions'], ['POST', '/flush_cache'], ['POST', '/finish_session?session_id=a'], ['GET', '/get_server_info'], ['GET', '/get_model_info'], ['PUT', '/workers'], ['OPTIONS', '/flush_cache']
]
const probes = ['/liveness', '/readiness', '/health', '/health_generate']
const ask = (url: string, method: string, path: string, headers: Record<string, string> = {}): Promise<Response> => fetch(url + path, { method, headers })

t.test('the list above is complete', async t => {
  const { app } = await startRouter(t)
  const { paths } = (await app.inject('/router/openapi.json')).json<{ paths: Record<string, Record<string, { tags: string[] }>> }>()
  const described = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).filter(([, { tags }]) => tags[0] === 'workers').map(([method]) => `${method.toUpperCase()} ${path.replace('{url}', 'http%3A%2F%2F127.0.0.1%3A9')}`))
  t.same(described.filter(one => !admin.some(([method, path]) => one === `${method} ${path.split('?', 1)[0]}`)), [])
})

t.test('a key', async t => {
  const worker = await startRawWorker(t)
  const { url, router } = await startRouter(t, { workerUrls: [worker.url], adminApiKey: 'right' })
  for (const [method, path] of admin) {
    for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: 'right' }, { authorization: 'Basic right' }, { 'x-api-key': 'right' }] as Array<Record<string, string>>) {
      const answer = await ask(url, method, path, headers)
      t.equal(answer.status, 401, `${method} ${path}`)
      t.equal(answer.headers.get('www-authenticate'), 'Bearer')
      const text = await answer.text()
      if (method !== 'HEAD') t.match(JSON.parse(text), { error: { code: 'admin_key_required', type: 'authentication_error' } })
    }
    t.not((await ask(url, method, path, { authorization: 'Bearer right' })).status, 401, `${method} ${path}`)
  }
  for (const path of [...probes, '/router/openapi.json', '/v1/models']) t.not((await ask(url, 'GET', path)).status, 401, path)
  t.equal((await ask(url, 'POST', '/tokenize', { authorization: 'Bearer client' })).status, 200, 'traffic is not asked for it')

  router.adminAccess.configure({ adminApiKey: 'next' })
  t.equal((await ask(url, 'GET', '/workers', { authorization: 'Bearer right' })).status, 401)
  t.equal((await ask(url, 'GET', '/workers', { authorization: 'bearer next' })).status, 200)
  router.adminAccess.configure({ adminApiKey: undefined })
  t.equal((await ask(url, 'GET', '/workers')).status, 200)
  t.same(new Set(worker.requests.map(({ url }) => url)), new Set(['/reset_prefix_cache', '/v1/completions', '/tokenize']), 'no admin route reached the worker')
})

t.test('a key beside the keys of clients: neither opens what is the other\'s', async t => {
  const worker = await startRawWorker(t)
  const apiKeysFile = join(t.testdir({ keys: 'of-a-client\n' }), 'keys')
  const status = async (url: string, method: string, path: string, key?: string): Promise<number> => (await ask(url, method, path, key === undefined ? {} : { authorization: `Bearer ${key}` })).status
  for (const adminPort of [undefined, 0]) {
    const { url, router } = await startRouter(t, { workerUrls: [worker.url], apiKeysFile, adminApiKey: 'right', ...(adminPort === undefined ? {} : { adminPort }) })
    const admin = adminPort === undefined ? url : router.adminListener.address
    t.same([await status(admin, 'GET', '/workers'), await status(admin, 'GET', '/workers', 'of-a-client'), await status(admin, 'GET', '/workers', 'right')], [401, 401, 200])
    t.same([await status(url, 'POST', '/tokenize'), await status(url, 'POST', '/tokenize', 'right'), await status(url, 'POST', '/tokenize', 'of-a-client')], [401, 401, 200])
    t.equal(await status(admin, 'GET', '/liveness'), 200)
    router.adminAccess.configure({ adminApiKey: undefined })
    t.same([await status(admin, 'GET', '/workers'), await status(admin, 'GET', '/workers', 'of-a-client')], [401, 200], 'without a key of their own they take those of clients')
  }
})

for (const key of [undefined, 'right']) {
  t.test(key === undefined ? 'a listener' : 'a listener and a key', async t => {
    const worker = await startRawWorker(t)
    const { url, app, router } = await startRouter(t, { workerUrls: [worker.url], adminPort: 0, ...(key === undefined ? {} : { adminApiKey: key }) })
    const { address } = router.adminListener
    t.match(address, /^http:\/\/127\.0\.0\.1:\d+$/)
    const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
    for (const [method, path] of admin) {
      const elsewhere = await ask(url, method, path, headers)
      t.equal(elsewhere.status, 404, `${method} ${path} has left`)
      const text = await elsewhere.text()
      if (method !== 'HEAD') t.match(JSON.parse(text), { error: { code: 'not_found' } })
      const here = await ask(address, method, path, headers)
      t.notOk([401, 404].includes(here.status) && !path.includes('127.0.0.1'), `${method} ${path} is here: ${here.status}`)
      if (key !== undefined) t.equal((await ask(address, method, path)).status, 401, `${method} ${path} asks for the key`)
    }
    for (const path of probes) for (const base of [url, address]) t.notOk([401, 404].includes((await ask(base, 'GET', path)).status), `${path} is on both`)
    t.equal((await app.inject({ url: '/workers', headers })).statusCode, 404, 'nor by inject')
    const before = worker.requests.length
    for (const [method, path] of [['POST', '/v1/chat/completions'], ['GET', '/v1/models'], ['POST', '/tokenize'], ['GET', '/any/path'], ['GET', '/router/openapi.json'], ['GET', '/'], ['GET', '/liveness/'], ['GET', '//workers'], ['GET', '/metrics']] as const) {
      const answer = await ask(address, method, path, headers)
      t.equal(answer.status, 404, `${method} ${path} is not here`)
      t.match(await answer.json(), { error: { code: 'not_found', message: `Unknown path ${path}` } })
      t.equal(answer.headers.get('x-content-type-options'), 'nosniff')
    }
    t.equal(worker.requests.length, before, 'no worker was asked')
    t.equal((await ask(url, 'POST', '/tokenize')).status, 200)

    // a request under way when the application closes is given a moment, and no more
    const half = open(Number(new URL(address).port), Buffer.from('POST /workers HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{'))
    await until('it is there', () => !half.socket.connecting)
    const started = performance.now()
    await app.close()
    t.ok(performance.now() - started < 4000, `closed after ${performance.now() - started} ms`)
    await t.rejects(fetch(address + '/liveness'), 'nobody listens there any more')
  })
}

t.test('in an application, under a prefix: none of its own routes are on the listener', async t => {
  const worker = await startRawWorker(t)
  const app = Fastify({ forceCloseConnections: true })
  t.teardown(() => app.close())
  app.get('/hello', async () => 'world')
  app.get('/workers', async () => 'its own')
  const addresses: Array<() => string> = []
  for (const prefix of ['/one', '/two']) {
    await app.register(vllmRouter, { prefix, workerUrls: [worker.url], adminPort: 0, adminHost: '127.0.0.1', extend: scope => { addresses.push(() => scope.adminListener.address) } })
  }
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const [one, two] = addresses.map(address => address()) as [string, string]
  t.not(one, two)
  t.equal((await ask(one, 'GET', '/one/workers')).status, 200)
  t.equal((await ask(one, 'GET', '/one/liveness')).status, 200)
  t.equal((await ask(two, 'GET', '/two/workers')).status, 200)
  for (const path of ['/hello', '/workers', '/two/workers', '/one/v1/models', '/one/any/path']) t.equal((await ask(one, 'GET', path)).status, 404, path)
  for (const path of ['/one/workers', '/two/list_workers']) t.equal((await ask(url, 'GET', path)).status, 404, path)
  t.equal(await (await ask(url, 'GET', '/workers')).text(), 'its own')
})

t.test('over TLS it has the same certificate', async t => {
  const { url, router } = await startSecureRouter(t, { adminPort: 0 })
  t.match(router.adminListener.address, /^https:/)
  const session = await connectHttp2(t, url)
  t.equal((await call(session, { ':path': '/workers' }).answer).status, 404)
  t.equal((await call(session, { ':path': '/liveness' }).answer).status, 200)
})

t.test('a port that is taken ends the start with an error that names the option', async t => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(vllmRouter, { adminPort: port })
  await t.rejects(app.listen({ port: 0, host: '127.0.0.1' }), { message: new RegExp(`adminHost 127\\.0\\.0\\.1, adminPort ${port}: .*address already in use`) })
})
