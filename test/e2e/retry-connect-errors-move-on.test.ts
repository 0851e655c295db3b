// A worker that takes no connection is passed over at once, without a backoff.
import t from 'tap'
import { chat, post } from '../helpers/client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'

t.test('at once', async t => {
  const workers = await startWorkers(t, 4)
  const { url, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'round_robin', retryInitialBackoffMs: 60_000, retryMaxBackoffMs: 60_000, healthFailureThreshold: 100 })
  const pauses: number[] = []
  router.calls.on('retry', (_call, pause) => pauses.push(pause))
  for (const worker of workers.slice(1)) await worker.app.simulator.failures.set({ mode: 'refuse' })
  for (let i = 0; i < 4; i++) t.equal((await post(url + '/v1/chat/completions', chat('a'))).status, 200)
  t.equal((await post(url + '/tokenize', { prompt: 'a' })).status, 200)
  t.ok(pauses.length > 0 && pauses.every(pause => pause === 0), pauses.join())
})
