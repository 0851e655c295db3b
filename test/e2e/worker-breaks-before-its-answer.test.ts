// A worker that refuses, resets, babbles or is silent before its answer costs the client a 502 or 504 in OpenAI's shape, without an address.
import t from 'tap'
import type { Test } from 'tap'
import { send } from '../helpers/raw-client.ts'
import { bytes, startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const paths = ['/v1/chat/completions', '/v1/responses', '/tokenize', '/v1/responses/resp_1', '/any/path']

/** One request, its answer checked for the shape of an error. */
async function refused (t: Test, port: number, path: string, status: number, code: string, method = 'POST'): Promise<void> {
  const got = await send(port, { method, path, ...(method === 'POST' ? { body: '{}' } : {}), headers: [['x-request-id', 'id-1']] })
  t.equal(got.status, status, `${path} ${code}`)
  t.same(valuesOf(got.headers, 'content-type'), ['application/json; charset=utf-8'])
  t.same(valuesOf(got.headers, 'x-request-id'), ['id-1'])
  t.equal(got.complete, true)
  const { error } = JSON.parse(got.body.toString()) as { error: { message: string, type: string, param: null, code: string } }
  t.equal(error.code, code)
  t.same(Object.keys(error).sort(), ['code', 'message', 'param', 'type'])
  t.notMatch(got.body.toString('latin1') + got.headers.join(), /127\.0\.0\.1|localhost|:\d{4,5}|ECONN|UND_ERR/, 'no address')
}

t.test('reset, ended, not HTTP', async t => {
  const worker = await startRawWorker(t)
  const { port, router } = await startRouter(t, { workerUrls: [worker.url], disableRetries: true, disableCircuitBreaker: true })
  for (const path of paths) {
    worker.answer = (_request, _response, socket) => { socket.resetAndDestroy() }
    await refused(t, port, path, 502, 'worker_connection_failed')
    await refused(t, port, path, 502, 'worker_connection_failed', 'GET')
    worker.answer = (_request, _response, socket) => { socket.end() }
    await refused(t, port, path, 502, 'worker_connection_failed')
    for (const babble of ['HTTP/1.1 200 O', 'SSH-2.0-OpenSSH\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n', 'HTTP/1.1 200 OK\r\nA: \0\r\n\r\n', 'HTTP/1.1 103 Early\r\n\r\n']) {
      worker.answer = bytes(babble)
      await refused(t, port, path, 502, 'worker_connection_failed')
    }
  }
  for (const path of ['/tokenize', '/v1/chat/completions']) {
    const before = worker.requests.length
    worker.answer = bytes('HTTP/1.1 999 Odd\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
    t.ok([502, 999].includes((await send(port, { path, body: '{}' })).status), 'a status out of the range passes or is refused, and hangs nothing')
    worker.answer = (_request, response) => { response.writeHead(503).end('busy') }
    t.same((await send(port, { path, method: 'GET' })).body.toString(), 'busy')
    t.equal(worker.requests.length, before + 2, 'nothing is asked twice')
  }
  t.equal(router.workers.list()[0]?.inFlight, 0)
})

t.test('silent', async t => {
  const worker = await startRawWorker(t, () => {})
  const { port, router } = await startRouter(t, { workerUrls: [worker.url], requestTimeoutSecs: 0.1 })
  await Promise.all(paths.map(path => refused(t, port, path, 504, 'worker_timeout')))
  await until('the worker knows', () => worker.aborts === paths.length)
  t.equal(router.workers.list()[0]?.inFlight, 0)
})

t.test('refused: the worker is out within a second', async t => {
  for (const path of paths) {
    const [worker] = await startWorkers(t, 1)
    const { port, router } = await startRouter(t, { workerUrls: [worker?.url ?? ''], healthCheckIntervalSecs: 60, disableRetries: true })
    await worker?.app.simulator.failures.set({ mode: 'refuse' })
    t.equal(router.workers.list()[0]?.state, 'ready')
    await refused(t, port, path, 502, 'worker_unreachable')
    await until('unhealthy', () => router.workers.list()[0]?.state === 'unhealthy', 1000)
    const got = await send(port, { path, body: '{}' })
    t.same([got.status, valuesOf(got.headers, 'retry-after')], [503, ['1']])
  }
})
