// With consistent_hash an attempt goes where the key would go if the workers tried were not there: to the next on the ring.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import type { RawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

t.test('the next on the ring', async t => {
  let order: string[] = []
  const fail = (worker: RawWorker): void => {
    worker.answer = (_request, response) => {
      order.push(worker.url)
      response.writeHead(500).end()
    }
  }
  const workers = await Promise.all([0, 1, 2, 3, 4].map(() => startRawWorker(t)))
  workers.forEach(fail)
  const options = { policy: 'consistent_hash' as const, retryInitialBackoffMs: 1, retryBudgetMinPerSecond: 1000, disableCircuitBreaker: true, disableOutlierDetection: true }
  const ask = async (port: number, session: number): Promise<string[]> => {
    order = []
    await send(port, { path: '/v1/chat/completions', body: '{}', headers: [['x-session-id', `s-${session}`]] })
    return order
  }
  const all = await startRouter(t, { ...options, workerUrls: workers.map(worker => worker.url) })
  let moved = 0
  for (let session = 0; session < 15; session++) {
    const walked = await ask(all.port, session)
    t.equal(new Set(walked).size, 5)
    t.same(await ask(all.port, session), walked, 'the same walk each time')
    // the owner among those that are left, asked of a router that never knew the others
    const { port } = await startRouter(t, { ...options, workerUrls: workers.map(worker => worker.url).filter(url => url !== walked[0]) })
    t.same((await ask(port, session)).slice(0, 4), walked.slice(1))
    if (walked[1] !== workers[0]?.url) moved++
  }
  t.ok(moved > 0, 'keys of one worker do not all go to the same next')
})
