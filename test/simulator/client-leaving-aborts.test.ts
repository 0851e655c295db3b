// A client that leaves takes its request out of the engine: not streaming, streaming, within the prefill, waiting, many prompts at once.
import t from 'tap'
import { until } from '../helpers/until.ts'
import { at, chat, post, words, worker } from './worker.ts'

const forever = { max_tokens: 30_000 }

t.test('before the first byte of an answer that is not streamed', async t => {
  const { url, app } = await worker(t, { maxNumSeqs: 1 })
  const leaving = new AbortController()
  const calls = [1, 2].map(() => post(`${url}/v1/chat/completions`, chat('Hello', forever), {}, leaving.signal))
  const [engine] = app.simulator.engines
  await until('one running, one waiting', () => engine?.stats().running === 1 && engine.stats().waiting === 1)
  leaving.abort()
  for (const call of calls) await t.rejects(call, { name: 'AbortError' })
  await until('an empty engine', () => engine?.load === 0)
  t.equal(engine?.stats().aborted, 2)
  t.equal(engine?.stats().kvUsage, 0)
  await until('both counted', () => app.simulator.aborts === 2)
  const page = await (await fetch(`${url}/metrics`)).text()
  t.match(page, /^vllm_simulator_aborts_total 2$/m)
  t.match(page, /^vllm:request_success_total\{engine="0",model_name="simulated",finished_reason="abort"\} 0$/m)
})

t.test('within a prefill', async t => {
  const { url, app } = await worker(t, { prefillRate: 100 })
  const leaving = new AbortController()
  const call = post(`${url}/v1/completions`, { prompt: words(3000), stream: true }, {}, leaving.signal)
  t.equal((await call).status, 200, 'the head of a stream comes before the first token')
  t.equal(app.simulator.engines[0]?.stats().running, 1)
  leaving.abort()
  await until('an empty engine', () => app.simulator.engines[0]?.load === 0)
  t.equal(app.simulator.engines[0]?.stats().generationTokens, 0)
})

t.test('within a stream, for all its choices', async t => {
  const { url, app } = await worker(t)
  const leaving = new AbortController()
  const response = await post(`${url}/v1/completions`, { prompt: ['a', 'b', 'c'], stream: true, ...forever }, {}, leaving.signal)
  const reader = response.body?.getReader()
  t.equal((await reader?.read())?.done, false)
  t.equal(app.simulator.engines[0]?.stats().running, 3)
  leaving.abort()
  await until('an empty engine', () => app.simulator.engines[0]?.load === 0)
  t.equal(app.simulator.engines[0]?.stats().aborted, 3)
  await until('one request counted', () => app.simulator.aborts === 1)
})

t.test('while an answer is delayed or never comes', async t => {
  const { url, app } = await worker(t)
  for (const mode of ['delay', 'hang'] as const) {
    await app.simulator.failures.set({ mode, delayMs: 60_000 })
    const leaving = new AbortController()
    const before = app.simulator.requests.length
    const call = post(`${url}/v1/chat/completions`, chat('Hello'), {}, leaving.signal)
    await until('the request seen', () => app.simulator.requests.length === before + 1)
    leaving.abort()
    await t.rejects(call)
  }
  await until('both counted', () => app.simulator.aborts === 2)
  t.equal(app.simulator.engines[0]?.stats().steps, 0, 'neither reached the engine')
})

t.test('an answer read to its end is no abort', async t => {
  const { url, app } = await worker(t)
  for (const stream of [true, false]) await (await post(`${url}/v1/chat/completions`, chat('Hello', { stream }))).text()
  t.equal(at(await (await fetch(`${url}/load`)).json(), 'server_load'), 0)
  t.equal(app.simulator.aborts, 0)
  t.equal(app.simulator.engines[0]?.stats().aborted, 0)
})
