// Workers are added and removed by hand: at once, by whatever form of URL, in the order they came.
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

t.test('with the paths of the Rust router', async t => {
  const workers = await startWorkers(t, 3)
  const { app, router } = await startRouter(t, { workerUrls: [workers[2]?.url ?? ''] })
  const list = async (): Promise<unknown> => (await app.inject('/list_workers')).json<{ urls: string[] }>().urls
  const call = async (path: string, url: string): Promise<[number, string]> => {
    const response = await app.inject({ method: 'POST', url: path, query: { url } })
    return [response.statusCode, response.body]
  }
  const [a, b, c] = workers.map(worker => worker.url) as [string, string, string]
  t.same(await call('/add_worker', b), [200, `Successfully added worker: ${b}`])
  t.same(await call('/add_worker', a), [200, `Successfully added worker: ${a}`])
  t.same(await list(), [c, b, a], 'in the order they came')
  t.equal((await call('/add_worker', a))[0], 400, 'known')
  t.equal((await call('/add_worker', a + '/'))[0], 400, 'known, written differently')
  await until('all are ready', () => router.workers.candidates('regular').workers.length === 3)
  t.same(await call('/remove_worker', c), [200, `Successfully removed worker: ${c}`])
  t.equal((await call('/remove_worker', c))[0], 404, 'gone')
  t.same(await list(), [b, a])
  const posted = await app.inject({ method: 'POST', url: '/add_worker', query: { url: c }, headers: { 'content-type': 'application/json' }, payload: '' })
  t.equal(posted.statusCode, 200, 'a content type without a body is no body')
})

t.test('as a resource, by URLs that are long, have a path, a rank, or are not encoded', async t => {
  const { app } = await startRouter(t, {}, false)
  const urls = ['http://127.0.0.1:9', 'http://127.0.0.1:9/base/path', `http://127.0.0.1:9/${'long'.repeat(100)}`, 'http://127.0.0.1:10@3', 'http://[::1]:9']
  for (const url of urls) {
    const added = await app.inject({ method: 'POST', url: '/workers', payload: { url, model_id: 'm', priority: 7, cost: 2.5, labels: { zone: 'a' } } })
    t.equal(added.statusCode, 200, url.slice(0, 50))
    t.match(added.json(), { success: true, message: String })
    t.equal((await app.inject({ method: 'POST', url: '/workers', payload: { url } })).statusCode, 400, 'known')
  }
  const { workers, total, stats } = (await app.inject('/workers')).json<{ workers: Array<Record<string, unknown>>, total: number, stats: object }>()
  t.same([workers.map(worker => worker['url']), total, stats], [urls, urls.length, { prefill_count: 0, decode_count: 0, regular_count: urls.length }])
  t.match(workers[0], {
    model_id: 'm', worker_type: 'regular', is_healthy: false, load: 0, connection_mode: 'Http', priority: 7, cost: 2.5, sources: ['manual'], labels: { zone: 'a' }
  })
  for (const url of urls) {
    t.equal((await app.inject('/workers/' + encodeURIComponent(url))).json<{ url: string }>().url, url)
    t.equal((await app.inject('/workers/' + url.replace('[::1]', '%5B::1%5D'))).json<{ url: string }>().url, url, 'not encoded')
  }
  for (const url of urls) {
    t.match((await app.inject({ method: 'DELETE', url: '/workers/' + encodeURIComponent(url) })).json(), { success: true })
    t.equal((await app.inject('/workers/' + encodeURIComponent(url))).statusCode, 404)
    t.equal((await app.inject({ method: 'DELETE', url: '/workers/' + encodeURIComponent(url) })).statusCode, 404)
  }
  t.same((await app.inject('/list_workers')).json(), { urls: [] })
})

t.test('all ranks by the URL, one by its rank', async t => {
  const { app } = await startRouter(t, { intraNodeDataParallelSize: 3 }, false)
  const list = async (): Promise<string[]> => (await app.inject('/list_workers')).json<{ urls: string[] }>().urls
  const url = 'http://127.0.0.1:9'
  t.equal((await app.inject({ method: 'POST', url: '/add_worker', query: { url } })).statusCode, 200)
  t.same(await list(), [`${url}@0`, `${url}@1`, `${url}@2`])
  t.equal((await app.inject({ method: 'DELETE', url: '/workers/' + encodeURIComponent(url + '@1') })).statusCode, 200)
  t.same(await list(), [`${url}@0`, `${url}@2`])
  t.equal((await app.inject({ method: 'DELETE', url: '/workers/' + encodeURIComponent(url) })).statusCode, 200)
  t.same(await list(), [])
})

t.test('an address that never answers does not keep anybody waiting', async t => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const sockets: Array<{ destroy (): void }> = []
  silent.on('connection', socket => sockets.push(socket))
  t.teardown(() => sockets.forEach(socket => socket.destroy()))
  const { app, router } = await startRouter(t)
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
  t.equal((await app.inject({ method: 'POST', url: '/add_worker', query: { url } })).statusCode, 200)
  await until('it is asked for its health', () => sockets.length > 0)
  t.equal(router.workers.get(url)?.state, 'starting', 'the answer came before the worker\'s')
  t.equal((await app.inject({ method: 'POST', url: '/remove_worker', query: { url } })).statusCode, 200)
  t.equal(router.workers.size, 0)
})
