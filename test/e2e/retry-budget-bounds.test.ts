// Retries stop at the budget, and clients then get the worker's own answer.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

t.test('a fifth more', async t => {
  const worker = await startRawWorker(t, (_request, response) => { response.writeHead(500).end('its own') })
  const { port } = await startRouter(t, { workerUrls: [worker.url], retryInitialBackoffMs: 1, retryBudgetPercent: 20, retryBudgetMinPerSecond: 0, disableCircuitBreaker: true, disableOutlierDetection: true })
  for (let i = 0; i < 100; i++) t.equal((await send(port, { path: i % 2 === 0 ? '/tokenize' : '/v1/completions', body: '{}' })).body.toString(), 'its own')
  t.ok(worker.requests.length > 110 && worker.requests.length <= 120, `${worker.requests.length} attempts at 100 requests`)
})

t.test('none at all', async t => {
  const worker = await startRawWorker(t, (_request, response) => { response.writeHead(500).end('its own') })
  const { port } = await startRouter(t, { workerUrls: [worker.url], retryBudgetPercent: 0, retryBudgetMinPerSecond: 0 })
  t.equal((await send(port, { path: '/tokenize', body: '{}' })).body.toString(), 'its own')
  t.equal(worker.requests.length, 1)
})
