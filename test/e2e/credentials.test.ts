// The client's own Authorization reaches the worker; where there is none the router's key does, and always with the router's own questions.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const paths = ['/v1/chat/completions', '/v1/responses', '/tokenize', '/any/path']

t.test('with a key', async t => {
  const worker = await startRawWorker(t)
  const { port } = await startRouter(t, { workerUrls: [worker.url], apiKey: 'key-1', policy: 'power_of_two', loadScrapeIntervalSecs: 0.05 })
  await until('every question was asked', () => ['/health', '/v1/models', '/metrics'].every(path => worker.questions.some(({ url }) => url === path)))
  for (const { url, rawHeaders } of worker.questions) t.same(valuesOf(rawHeaders, 'authorization'), ['Bearer key-1'], url)
  for (const path of paths) {
    for (const [given, expected] of [[undefined, 'Bearer key-1'], ['Bearer mine', 'Bearer mine'], ['Basic dTpw', 'Basic dTpw']] as const) {
      const { headers, body } = await send(port, { path, body: '{}', headers: given === undefined ? [] : [['authorization', given]] })
      t.same(valuesOf(worker.requests.pop()?.rawHeaders ?? [], 'authorization'), [expected], path)
      t.notMatch(headers.join() + body.toString(), /key-1/)
    }
  }
})

t.test('without', async t => {
  const worker = await startRawWorker(t)
  const { port } = await startRouter(t, { workerUrls: [worker.url] })
  t.same(worker.questions.flatMap(({ rawHeaders }) => valuesOf(rawHeaders, 'authorization')), [])
  for (const path of paths) {
    await send(port, { path, body: '{}' })
    t.same(valuesOf(worker.requests.pop()?.rawHeaders ?? [], 'authorization'), [])
  }
})

t.test('a worker that asks for it', async t => {
  const [worker] = await startWorkers(t, 1, { apiKey: 'key-2' })
  const body = JSON.stringify({ model: 'simulated', prompt: 'x', max_tokens: 1 })
  const request = { path: '/v1/completions', headers: [['Content-Type', 'application/json']] as const, body }
  const { port } = await startRouter(t, { workerUrls: [worker?.url ?? ''], apiKey: 'key-2' })
  t.equal((await send(port, request)).status, 200)
  t.equal((await send(port, { ...request, headers: [...request.headers, ['Authorization', 'Bearer other']] })).status, 401, 'the client\'s own counts')
})
