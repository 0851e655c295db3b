// A worker with several data-parallel ranks gets each request for exactly one of them, whatever rank the client names, and all take part.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'

const paths = ['/v1/chat/completions', '/v1/responses', '/tokenize', '/any/path']

t.test('ranks', async t => {
  const worker = await startRawWorker(t)
  const { port, router } = await startRouter(t, { workerUrls: [worker.url], intraNodeDataParallelSize: 2, policy: 'round_robin' })
  t.same(router.workers.list().map(({ id }) => id), [`${worker.url}@0`, `${worker.url}@1`])
  for (const path of paths) {
    const seen = new Set<string>()
    for (const headers of [[], [['X-data-parallel-rank', '7']], [['x-DATA-parallel-rank', '1'], ['X-data-parallel-rank', '0']]] as Array<Array<[string, string]>>) {
      for (let count = 0; count < 2; count++) {
        await send(port, { path, headers, body: '{}' })
        const ranks = valuesOf(worker.requests.pop()?.rawHeaders ?? [], 'x-data-parallel-rank')
        t.equal(ranks.length, 1)
        seen.add(ranks.join())
      }
    }
    t.same([...seen].sort(), ['0', '1'], path)
  }
})

t.test('a worker without ranks gets what the client says', async t => {
  const worker = await startRawWorker(t)
  const { port } = await startRouter(t, { workerUrls: [worker.url] })
  for (const path of paths) {
    await send(port, { path, headers: [['X-data-parallel-rank', '7']], body: '{}' })
    t.same(valuesOf(worker.requests.pop()?.rawHeaders ?? [], 'x-data-parallel-rank'), ['7'])
  }
})

t.test('engines', async t => {
  const [worker] = await startWorkers(t, 1, { ranks: 2, interTokenLatencyMs: 1, prefillRate: 1e6 })
  const { port } = await startRouter(t, { workerUrls: [worker?.url ?? ''], intraNodeDataParallelSize: 2, policy: 'power_of_two' })
  const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => send(port, {
    path: '/v1/completions', headers: [['Content-Type', 'application/json']], body: JSON.stringify({ model: 'simulated', prompt: `p${at}`, max_tokens: 3 })
  })))
  t.ok(answers.every(({ status }) => status === 200))
  for (const engine of worker?.app.simulator.engines ?? []) t.ok(engine.stats().finished.length >= 5, 'each engine did its part')
})
