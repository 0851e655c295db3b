// Clients that leave at random moments of requests whose workers fail in every way: each attempt is settled once, nothing stays leased, nothing follows.
// Takes long, and so a process of its own.
import fc from 'fast-check'
import t from 'tap'
import type { Call } from '../../plugins/call.ts'
import { open, requestBytes } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import type { Answer } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

const total = 2000
const sse = { 'content-type': 'text/event-stream' }
const ways: readonly Answer[] = [
  () => {},
  (_request, _response, socket) => { socket.resetAndDestroy() },
  (_request, response) => { response.writeHead(503).end('busy') },
  (_request, response) => { response.writeHead(500, { 'content-length': '9' }).write('half') },
  (_request, response) => { response.writeHead(200, sse).flushHeaders() },
  (_request, response, socket) => { response.writeHead(200, sse).write('', () => socket.destroy()) },
  (_request, response) => { response.writeHead(200, sse).write('data: 1\n\n') },
  (_request, response) => { response.writeHead(200, sse).end('data: 1\n\n') },
  (_request, response) => { response.end('{}') }
]

t.test('2,000 requests', { timeout: 60_000 }, async t => {
  const random = fc.sample(fc.record({ path: fc.constantFrom('/v1/chat/completions', '/tokenize', '/any/path'), delay: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 60 }) }, { weight: 1, arbitrary: fc.constant(400) }) }), { seed: 5, numRuns: total })
  const fate = fc.sample(fc.nat(ways.length - 1), { seed: 6, numRuns: total * 5 })
  let served = 0
  const answer: Answer = (...args) => ways[fate[served++ % fate.length] ?? 0]?.(...args)
  const workers = [await startRawWorker(t, answer), await startRawWorker(t, answer), await startRawWorker(t, answer)]
  const { app, port, router } = await startRouter(t, {
    workerUrls: workers.map(worker => worker.url),
    retryInitialBackoffMs: 10,
    retryBudgetMinPerSecond: 100_000,
    firstByteTimeoutSecs: 0.03,
    disableCircuitBreaker: true,
    disableOutlierDetection: true,
    healthFailureThreshold: 1000
  })
  const settled = new Map<Call, number>()
  const ends: Record<string, number> = {}
  let assigned = 0
  let retries = 0
  router.balancer.on('assigned', () => { assigned++ })
  router.calls.on('retry', () => { retries++ })
  router.calls.on('settled', call => {
    settled.set(call, (settled.get(call) ?? 0) + 1)
    ends[call.exchange.end ?? ''] = (ends[call.exchange.end ?? ''] ?? 0) + 1
  })
  let next = 0
  async function client (): Promise<void> {
    for (let request = random[next++]; request !== undefined; request = random[next++]) {
      const { path, delay } = request
      const { socket } = open(port, requestBytes({ path, body: '{}' }))
      await new Promise<void>(resolve => {
        socket.once('close', () => resolve())
        setTimeout(() => socket.destroy(), delay)
      })
    }
  }
  await Promise.all(Array.from({ length: 10 }, client))
  await until('the router has seen all leave', async () => await new Promise<number>(resolve => app.server.getConnections((_error, count) => resolve(count))) === 0)
  await until('no lease', () => router.workers.list().every(worker => worker.inFlight === 0))
  const before = assigned
  // longer than any pause there could be
  await new Promise(resolve => setTimeout(resolve, 100))
  t.equal(assigned, before, 'nothing follows')
  t.equal(settled.size, assigned, 'every attempt was settled')
  t.ok([...settled.values()].every(times => times === 1), 'once')
  t.ok(['completed', 'failed', 'broken', 'client_gone'].every(end => (ends[end] ?? 0) > 10) && retries > 20, `${JSON.stringify(ends)}, ${retries} retries`)
  t.ok(router.workers.list().every(worker => worker.inFlight === 0))
})
