// No worker gets a request twice while another has not had it; attempts end at the number allowed.
import t from 'tap'
import { createHash } from 'node:crypto'
import { policyNames } from '../../policies/index.ts'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

t.test('every policy', async t => {
  const order: number[] = []
  const workers = await Promise.all([0, 1, 2, 3].map(index => startRawWorker(t, (_request, response) => {
    order.push(index)
    response.writeHead(500).end(String(index))
  })))
  for (const policy of policyNames) {
    const { port, router } = await startRouter(t, {
      workerUrls: workers.map(worker => worker.url), policy, retryMaxRetries: 6, retryInitialBackoffMs: 1, retryBudgetMinPerSecond: 1000, disableCircuitBreaker: true, disableOutlierDetection: true
    })
    for (let i = 0; i < 12; i++) {
      order.length = 0
      const session = createHash('md5').update(String(i)).digest('hex')
      const got = await send(port, { path: i % 2 === 0 ? '/v1/chat/completions' : '/tokenize', body: JSON.stringify({ user: session, messages: [{ role: 'user', content: session.repeat(20) }] }), headers: [['content-type', 'application/json'], ['x-session-id', session]] })
      t.equal(order.length, 6, `${policy}: attempts in all`)
      t.equal(new Set(order.slice(0, 4)).size, 4, `${policy}: each once before any twice (${order.join()})`)
      t.same([got.status, got.body.toString()], [500, String(order.at(-1))], 'the last answer')
    }
    t.ok(router.workers.list().every(worker => worker.inFlight === 0))
  }
})
