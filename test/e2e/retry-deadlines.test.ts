// One attempt has a time to its first byte, all together have one; between bytes there is a limit, and none for a stream that flows.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import type { Answer } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const paths = ['/v1/chat/completions', '/v1/responses/resp_x']
const hang: Answer = () => {}
const held: Answer = (_request, response) => { response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders() }

t.test('a worker without a first byte is followed by another', async t => {
  for (const answer of [hang, held]) {
    const [one, two] = [await startRawWorker(t, answer), await startRawWorker(t, (_request, response) => { response.end('well') })]
    const { port } = await startRouter(t, { workerUrls: [one.url, two.url], policy: 'round_robin', firstByteTimeoutSecs: 0.1, retryInitialBackoffMs: 1 })
    for (const path of paths) {
      for (let i = 0; i < 2; i++) t.equal((await send(port, { path, body: '{}' })).body.toString(), 'well')
    }
    t.ok(one.requests.length > 0)
    await until('those are closed', () => one.aborts === one.requests.length)
  }
})

t.test('all attempts together', async t => {
  for (const [answer, more] of [[hang, {}], [held, {}], [hang, { firstByteTimeoutSecs: 0.12 }]] as const) {
    const workers = [await startRawWorker(t, answer), await startRawWorker(t, answer)]
    const { port, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), requestTimeoutSecs: 0.3, retryInitialBackoffMs: 1, ...more })
    for (const path of paths) {
      const began = performance.now()
      const got = await send(port, { path, body: '{}' })
      const took = performance.now() - began
      t.match([got.status, JSON.parse(got.body.toString())], [504, { error: { code: 'worker_timeout' } }])
      t.ok(took > 240 && took < 600, `${took} ms`)
    }
    await until('all closed', () => workers.reduce((sum, { aborts, requests }) => sum + requests.length - aborts, 0) === 0)
    t.ok(router.workers.list().every(worker => worker.inFlight === 0))
  }
})

t.test('a backoff longer than what is left is not waited for', async t => {
  const worker = await startRawWorker(t, (_request, response) => { response.writeHead(500).end('its own') })
  const { port } = await startRouter(t, { workerUrls: [worker.url], requestTimeoutSecs: 5, retryInitialBackoffMs: 6000, retryJitterFactor: 0 })
  const began = performance.now()
  t.equal((await send(port, { path: '/tokenize', body: '{}' })).body.toString(), 'its own')
  t.ok(performance.now() - began < 2000)
})

t.test('a stream that flows has no deadline, a silent one ends with an error event', async t => {
  const flowing = await startRawWorker(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    let count = 0
    const timer = setInterval(() => {
      if (++count <= 8) response.write(`data: ${count}\n\n`)
      else {
        clearInterval(timer)
        response.end()
      }
    }, 50)
  })
  const one = await startRouter(t, { workerUrls: [flowing.url], requestTimeoutSecs: 0.2, firstByteTimeoutSecs: 0.15, idleTimeoutSecs: 5 })
  for (const path of paths) {
    const got = await send(one.port, { path, body: '{}' })
    t.same([got.body.toString(), got.complete], [[1, 2, 3, 4, 5, 6, 7, 8].map(n => `data: ${n}\n\n`).join(''), true])
  }
  const silent = await startRawWorker(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
  })
  const two = await startRouter(t, { workerUrls: [silent.url], idleTimeoutSecs: 0.2 })
  for (const path of paths) {
    const got = await send(two.port, { path, body: '{}' })
    t.match(got.body.toString(), /^data: 1\n\ndata: \{"error":.*"code":"stream_broken".*\n\n$/)
    t.equal(got.complete, true)
  }
  t.equal(silent.requests.length, paths.length, 'not tried again')
})
