// X-data-parallel-rank picks the engine; without it the least loaded one is taken.
import t from 'tap'
import { until } from '../helpers/until.ts'
import { at, chat, post, worker } from './worker.ts'

t.test('ranks', async t => {
  const { url, app } = await worker(t, { ranks: 3 })
  const served = (): number[] => app.simulator.engines.map(engine => engine.stats().finished.length)
  const ask = (rank: string): Promise<Response> => post(`${url}/v1/chat/completions`, chat('Hi'), { 'X-data-parallel-rank': rank })
  for (const rank of ['2', '1', '2']) t.equal((await ask(rank)).status, 200)
  t.same(served(), [0, 1, 2])
  for (const rank of ['3', '-1']) {
    const response = await ask(rank)
    t.equal(response.status, 400)
    t.equal(at(await response.json(), 'error.message'), `data_parallel_rank ${rank} is out of range [0, 3).`)
  }
  t.equal((await ask('two')).status, 200, 'what is no number is ignored')
  t.same(served(), [1, 1, 2])
  t.match(await (await fetch(`${url}/metrics`)).text(), /^vllm:request_success_total\{engine="2",model_name="simulated",finished_reason="length"\} 2$/m)
})

t.test('the least loaded', async t => {
  const { url, app } = await worker(t, { ranks: 2 })
  const leaving = new AbortController()
  const calls = [1, 2, 3, 4].map(() => post(`${url}/v1/chat/completions`, chat('Hi', { max_tokens: 30_000 }), {}, leaving.signal))
  await until('four requests', () => app.simulator.engines.reduce((load, engine) => load + engine.load, 0) === 4)
  t.same(app.simulator.engines.map(engine => engine.load), [2, 2])
  leaving.abort()
  await Promise.allSettled(calls)
})
