// Every request has an id, the client's or a new one; the worker gets it and every answer carries it, refusals and streams too.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import type { RawRequest } from '../helpers/raw-client.ts'
import { startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

const paths = ['/v1/chat/completions', '/v1/responses', '/tokenize', '/any/path']
const made = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

t.test('taken or made', async t => {
  const worker = await startRawWorker(t)
  const usual = await startRouter(t, { workerUrls: [worker.url] })
  const custom = await startRouter(t, { workerUrls: [worker.url], requestIdHeaders: ['X-My-Id', 'x-other'] })
  const cases: Array<[port: number, headers: Array<[string, string]>, id: string | RegExp]> = [
    [usual.port, [], made],
    ...['x-request-id', 'X-Correlation-ID', 'x-trace-id', 'Request-Id'].map((name): [number, Array<[string, string]>, string] => [usual.port, [[name, `by ${name}`.replace(' ', '-')]], `by-${name}`]),
    [usual.port, [['request-id', 'last'], ['x-trace-id', 'third'], ['x-correlation-id', 'second'], ['x-request-id', 'first']], 'first'],
    [usual.port, [['request-id', 'last'], ['x-trace-id', 'third']], 'third'],
    [usual.port, [['x-request-id', 'not printable \xe9'], ['x-trace-id', 'good']], 'good'],
    [usual.port, [['x-request-id', 'two words']], made],
    [usual.port, [['x-request-id', '']], made],
    [usual.port, [['x-request-id', 'a'.repeat(256)]], 'a'.repeat(256)],
    [usual.port, [['x-request-id', 'a'.repeat(257)]], made],
    [custom.port, [['x-my-id', 'mine']], 'mine'],
    [custom.port, [['x-request-id', 'ignored'], ['x-other', 'other']], 'other'],
    [custom.port, [['x-request-id', 'ignored']], made]
  ]
  const ids = new Set<string>()
  for (const path of paths) {
    for (const [port, headers, id] of cases) {
      const got = await send(port, { path, headers, body: '{}' })
      const [back = '', ...more] = valuesOf(got.headers, 'x-request-id')
      t.match(back, typeof id === 'string' ? new RegExp(`^${id}$`) : id, `${path} ${JSON.stringify(headers).slice(0, 60)}`)
      t.same(more, [])
      const seen = worker.requests.pop()?.rawHeaders ?? []
      t.same(valuesOf(seen, 'x-request-id'), [back], 'the worker has the same')
      if (typeof id !== 'string') ids.add(back)
    }
  }
  t.equal(ids.size, 5 * paths.length, 'no new id twice')
})

t.test('on every answer', async t => {
  const worker = await startRawWorker(t)
  const whole = await startRouter(t, { workerUrls: [worker.url], maxPayloadSize: 100, requestTimeoutSecs: 0.1 })
  const partly = await startRouter(t, { workerUrls: [worker.url], forwardUnknownPaths: false })
  const empty = await startRouter(t, { workerUrls: [] })
  const check = async (port: number, request: RawRequest, status: number): Promise<void> => {
    const got = await send(port, { ...request, headers: [...request.headers ?? [], ['x-request-id', 'every']] })
    t.same([got.status, valuesOf(got.headers, 'x-request-id')], [status, ['every']], `${request.path} ${status}`)
  }
  for (const path of paths) {
    await check(whole.port, { path, body: 'x'.repeat(101) }, 413)
    await check(whole.port, { path, body: '{"kv_transfer_params":1}' }, 400)
    await check(empty.port, { path, body: '{}' }, 503)
    worker.answer = (_request, response) => { response.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': 'of the worker' }).end('data: 1\n\n') }
    await check(whole.port, { path, body: '{}' }, 200)
    worker.answer = (_request, response) => { response.writeHead(404).end() }
    await check(whole.port, { path, body: '{}' }, 404)
    worker.answer = (_request, _response, socket) => { socket.destroy() }
    await check(whole.port, { path, body: '{}' }, 502)
  }
  worker.answer = () => {}
  await Promise.all(paths.map(path => check(whole.port, { path, body: '{}' }, 504)))
  for (const path of ['/liveness', '/readiness', '/health', '/v1/models', '/list_workers', '/workers']) await check(whole.port, { method: 'GET', path }, 200)
  await check(whole.port, { method: 'GET', path: '/workers/none' }, 404)
  const unknown = await send(partly.port, { path: '/not/there' })
  t.equal(unknown.status, 404)
})
