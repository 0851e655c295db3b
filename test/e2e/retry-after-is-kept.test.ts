// A worker that answers 429 or 503 with `Retry-After` is left alone for that time; it is waited for only where nobody else is and the wait is short enough.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import type { Answer } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const asks = (status: number, value: string): Answer => (_request, response) => { response.writeHead(status, { 'retry-after': value }).end('later') }
const well: Answer = (_request, response) => { response.end('well') }
const requests = [{ path: '/v1/chat/completions', body: '{}' }, { path: '/tokenize', body: '{}' }]

t.test('left alone while another is there', async t => {
  for (const request of requests) {
    for (const [status, value] of [[429, '1'], [503, new Date(Date.now() + 2500).toUTCString()]] as const) {
      const [busy, other] = [await startRawWorker(t, asks(status, value)), await startRawWorker(t, well)]
      const { port, router } = await startRouter(t, { workerUrls: [busy.url, other.url], policy: 'round_robin' })
      for (let i = 0; i < 8; i++) t.equal((await send(port, request)).body.toString(), 'well')
      t.equal(busy.requests.length, 1, `asked once in that time (${status})`)
      t.equal(router.workers.candidates('regular').workers.length, 1)
      await until('it is a candidate again', () => router.workers.candidates('regular').workers.length === 2)
    }
  }
})

t.test('waited for where there is no other', async t => {
  for (const request of requests) {
    const worker = await startRawWorker(t, (...args) => (worker.requests.length === 1 ? asks(503, '1') : well)(...args))
    const { port } = await startRouter(t, { workerUrls: [worker.url] })
    const began = performance.now()
    t.equal((await send(port, request)).body.toString(), 'well')
    t.ok(performance.now() - began >= 990, 'not sooner')
    t.equal(worker.requests.length, 2)
  }
})

t.test('not waited for where it takes too long', async t => {
  for (const request of requests) {
    const worker = await startRawWorker(t, asks(503, '100'))
    const { port } = await startRouter(t, { workerUrls: [worker.url], retryMaxBackoffMs: 5000 })
    const got = await send(port, request)
    t.same([got.status, got.body.toString(), valuesOf(got.headers, 'retry-after')], [503, 'later', ['100']], 'its own answer')
    t.equal(worker.requests.length, 1)
    const next = await send(port, request)
    t.equal(next.status, 503)
    const [seconds] = valuesOf(next.headers, 'retry-after').map(Number)
    t.ok(seconds !== undefined && seconds > 90 && seconds <= 100, `the next are told how long (${seconds})`)
    t.equal(worker.requests.length, 1, 'and the worker is left alone')
  }
})
