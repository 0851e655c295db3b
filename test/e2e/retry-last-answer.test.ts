// When every attempt failed, the client gets the last worker's answer byte for byte on both ways out, or one error in OpenAI's shape.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { bytes, startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

const ways: ReadonlyArray<[method: string, path: string]> = [['POST', '/v1/chat/completions'], ['POST', '/tokenize'], ['GET', '/any/path'], ['HEAD', '/any/path']]

t.test('the last answer', async t => {
  const worker = await startRawWorker(t)
  const { port, router } = await startRouter(t, { workerUrls: [worker.url], retryInitialBackoffMs: 1, retryMaxRetries: 3, disableCircuitBreaker: true, disableOutlierDetection: true, retryBudgetMinPerSecond: 1000 })
  const ask = async (method: string, path: string): ReturnType<typeof send> => await send(port, { method, path, ...(method === 'POST' ? { body: '{}' } : {}), headers: [['x-vllm-router-explain', '1']] })

  for (const [method, path] of ways) {
    const body = '{ "error":\t{"message" : "no \\u00e4"}}'
    worker.requests.length = 0
    worker.answer = bytes(`HTTP/1.1 503 Very Busy\r\nContent-Type: application/json\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${method === 'HEAD' ? '' : body}`)
    const got = await ask(method, path)
    t.equal(worker.requests.length, 3)
    t.equal(got.statusLine, 'HTTP/1.1 503 Very Busy')
    t.same([valuesOf(got.headers, 'x-a').join(', '), valuesOf(got.headers, 'content-type'), valuesOf(got.headers, 'content-length')], ['1, 2', ['application/json'], [String(body.length)]])
    t.equal(got.body.toString(), method === 'HEAD' ? '' : body)
  }

  for (const [method, path] of ways.slice(0, 3)) {
    worker.requests.length = 0
    worker.answer = (_request, response, socket) => {
      if (worker.requests.length === 1) response.writeHead(500, { 'x-which': 'first' }).end('first')
      else socket.resetAndDestroy()
    }
    const early = await ask(method, path)
    t.same([early.status, early.body.toString(), valuesOf(early.headers, 'x-which')], [500, 'first', ['first']], 'an answer counts more than later resets')
    t.equal(worker.requests.length, 3)

    worker.requests.length = 0
    const long = 'y'.repeat(300_000)
    worker.answer = (_request, response) => { response.writeHead(500).end(long) }
    const got = await ask(method, path)
    t.same([got.body.toString() === long, got.complete, worker.requests.length], [true, true, 1], 'one too long to keep goes out at once')

    worker.requests.length = 0
    worker.answer = (_request, _response, socket) => { socket.resetAndDestroy() }
    const none = await ask(method, path)
    t.match([none.status, JSON.parse(none.body.toString())], [502, { error: { code: 'worker_connection_failed', type: String } }])
    t.equal(worker.requests.length, 3)
  }
  t.ok(router.workers.list().every(worker => worker.inFlight === 0))
})
