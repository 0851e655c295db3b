// A path of the router's never reaches a worker, with whatever method; every other path does, with its own.
import t from 'tap'
import { startRouter, startWorkers } from '../helpers/router.ts'

t.test('methods', async t => {
  const [worker] = await startWorkers(t, 1)
  const { app } = await startRouter(t, { workerUrls: [worker?.url ?? ''], loadScrapeIntervalSecs: 0 })
  // what the router itself asks, it asks with GET
  const seen = (): string[] => worker?.app.simulator.requests.filter(({ method }) => method !== 'GET').map(({ method, url }) => `${method} ${url}`) ?? []
  const before = seen().length
  for (const [url, allow] of [
    ['/liveness', 'GET, HEAD'], ['/readiness', 'GET, HEAD'], ['/health', 'GET, HEAD'], ['/list_workers', 'GET, HEAD'], ['/add_worker', 'POST'],
    ['/remove_worker', 'POST'], ['/workers', 'GET, HEAD, POST'], ['/workers/http%3A%2F%2Fa%3A1', 'GET, HEAD, DELETE'], ['/flush_cache', 'POST'], ['/decisions', 'GET, HEAD'], ['/finish_session', 'POST'], ['/get_loads', 'GET, HEAD']
  ] as const) {
    for (const method of ['PUT', 'PATCH'] as const) {
      const response = await app.inject({ method, url, payload: {} })
      t.equal(response.statusCode, 405, `${method} ${url}`)
      t.equal(response.headers.allow, allow)
      t.match(response.json(), { error: { code: 'method_not_allowed' } })
    }
  }
  t.equal(seen().length, before, 'no worker was asked')
  await app.inject({ method: 'PUT', url: '/v1/models', payload: {} })
  await app.inject({ method: 'PATCH', url: '/workersx', payload: {} })
  t.same(seen().slice(before), ['PUT /v1/models', 'PATCH /workersx'])
})
