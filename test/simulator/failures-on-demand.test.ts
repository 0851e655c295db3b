// Each failure mode does what it says, to the requests it is meant for, as often as it was asked to.
import t from 'tap'
import { until } from '../helpers/until.ts'
import { at, chat, events, post, words, worker } from './worker.ts'

/** The code of the socket error under a failed fetch. */
async function codeOf (call: Promise<unknown>): Promise<unknown> {
  try {
    await call
    return 'no error'
  } catch (error) {
    return at(error, 'cause.code')
  }
}

t.test('status, twice, over HTTP', async t => {
  const { url } = await worker(t)
  const set = await post(`${url}/_simulator/failure`, { mode: 'status', status: 503, count: 2, message: 'busy', retryAfter: 7 })
  t.equal(set.status, 200)
  t.equal((await fetch(`${url}/health`)).status, 200, 'probes stay well')
  for (let call = 0; call < 2; call++) {
    const response = await post(`${url}/v1/chat/completions`, chat('Hello'))
    t.equal(response.status, 503)
    t.equal(response.headers.get('retry-after'), '7')
    t.same(await response.json(), { error: { message: 'busy', type: 'ServiceUnavailableError', param: null, code: 503 } })
  }
  t.equal((await post(`${url}/v1/chat/completions`, chat('Hello'))).status, 200)
})

t.test('a path of its own, until cleared', async t => {
  const { url } = await worker(t)
  await post(`${url}/_simulator/failure`, { mode: 'status', path: '/health' })
  t.equal((await fetch(`${url}/health?deep=1`)).status, 500)
  t.equal((await fetch(`${url}/health`)).status, 500)
  t.equal((await post(`${url}/v1/chat/completions`, chat('Hello'))).status, 200)
  await fetch(`${url}/_simulator/failure`, { method: 'DELETE' })
  t.equal((await fetch(`${url}/health`)).status, 200)
})

t.test('delay', async t => {
  const { url, app } = await worker(t)
  await app.simulator.failures.set({ mode: 'delay', delayMs: 80, count: 1 })
  const start = performance.now()
  t.equal((await post(`${url}/v1/chat/completions`, chat('Hello', { max_tokens: 1 }))).status, 200)
  t.ok(performance.now() - start >= 79)
})

t.test('reset before the head', async t => {
  const { url, app } = await worker(t)
  await app.simulator.failures.set({ mode: 'reset', count: 1 })
  t.equal(await codeOf(post(`${url}/v1/chat/completions`, chat('Hello'))), 'ECONNRESET')
  t.equal(app.simulator.aborts, 0, 'it was not the client that left')
  t.equal((await post(`${url}/v1/chat/completions`, chat('Hello'))).status, 200)
})

t.test('reset within a stream', async t => {
  const { url, app } = await worker(t)
  for (const afterChunks of [0, 1, 4]) {
    await app.simulator.failures.set({ mode: 'reset_stream', afterChunks, count: 1 })
    const response = await post(`${url}/v1/chat/completions`, chat('Hello', { stream: true, max_tokens: 1000 }))
    t.equal(response.status, 200)
    let text = ''
    await t.rejects(async () => {
      for await (const chunk of response.body ?? []) text += Buffer.from(chunk as Uint8Array).toString()
    })
    t.equal(text.split('\n\n').length - 1, afterChunks, 'whole events, no more')
    await until('an empty engine', () => app.simulator.engines[0]?.load === 0)
  }
  t.equal(app.simulator.aborts, 0)
  t.equal((await events(await post(`${url}/v1/chat/completions`, chat('Hello', { stream: true })))).at(-1), '[DONE]')
})

t.test('reset within an answer that is not streamed', async t => {
  const { url, app } = await worker(t)
  await app.simulator.failures.set({ mode: 'reset_stream', count: 1 })
  const response = await post(`${url}/v1/chat/completions`, chat('Hello'))
  t.equal(response.status, 200)
  await t.rejects(response.text())
})

t.test('refuse and recover', async t => {
  const { url, app } = await worker(t)
  const open = post(`${url}/v1/completions`, { prompt: words(10), max_tokens: 30_000 })
  await until('a running request', () => app.simulator.engines[0]?.load === 1)
  await app.simulator.failures.set({ mode: 'refuse' })
  await t.rejects(open, 'open connections are cut')
  t.equal(await codeOf(fetch(`${url}/health`)), 'ECONNREFUSED')
  await app.simulator.failures.recover()
  t.equal((await fetch(`${url}/health`)).status, 200, 'the same port')
})

t.test('refuse over HTTP for a while', async t => {
  const { url } = await worker(t)
  t.equal((await post(`${url}/_simulator/failure`, { mode: 'refuse', delayMs: 50 })).status, 200)
  await until('refusal', async () => await codeOf(fetch(`${url}/health`)) === 'ECONNREFUSED')
  await until('recovery', async () => await codeOf(fetch(`${url}/health`)) === 'no error')
})

t.test('closing a worker that refuses', async t => {
  const started = await worker(t)
  await started.app.simulator.failures.set({ mode: 'refuse' })
  await t.resolves(started.close())
})

t.test('a failure that makes no sense', async t => {
  const { url } = await worker(t)
  for (const body of [{}, { mode: 'explode' }, { mode: 'status', status: '500' }, { mode: 'delay', delay: 3 }, { mode: 'hang', count: -1 }]) {
    t.equal((await post(`${url}/_simulator/failure`, body)).status, 400, JSON.stringify(body))
  }
})
