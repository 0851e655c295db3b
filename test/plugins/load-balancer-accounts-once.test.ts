// A policy hears of each request once when it is sent, once at the first byte and once at the end, however it ends; nothing stays in flight.
import { once } from 'node:events'
import t from 'tap'
import type { Policy } from '../../router.ts'
import { chat, post, sendRaw } from '../helpers/client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

/** The first candidate, always; writes down what it is told. */
function recorder (told: string[]): Policy {
  return {
    name: 'mine',
    pick: ({ workers: [worker] }) => {
      if (worker === undefined) throw new Error('no candidate')
      return { worker, reason: 'only_candidate' }
    },
    dispatched: () => { told.push('dispatched') },
    firstByte: () => { told.push('firstByte') },
    finished: (_worker, _routing, { ok, completionTokens }) => { told.push(`finished ${ok} ${completionTokens ?? '-'}`) },
    workerAdded: () => { told.push('added') },
    workerRemoved: () => { told.push('removed') }
  }
}

t.test('whoever ends it', async t => {
  const told: string[] = []
  const [worker] = await startWorkers(t, 1, { interTokenLatencyMs: 1 })
  if (worker === undefined) throw new Error('no worker')
  const { url, port, router } = await startRouter(t, { workerUrls: [worker.url], policy: recorder(told), disableRetries: true })
  const { failures } = worker.app.simulator
  const [entry] = router.workers.list()
  async function hears (name: string, ...what: string[]): Promise<void> {
    await until(name, () => entry?.inFlight === 0 && told.length >= what.length)
    t.same(told.splice(0), what, name)
  }
  await hears('the fleet', 'added')
  const path = '/v1/chat/completions'

  await (await post(url + path, chat('a'))).text()
  await hears('an answer', 'dispatched', 'firstByte', 'finished true 5')
  await (await post(url + path, chat('a', { stream: true, stream_options: { include_usage: true } }))).text()
  await hears('a stream', 'dispatched', 'firstByte', 'finished true 5')
  await (await post(url + '/tokenize', { prompt: 'a' })).text()
  await hears('the other way out', 'dispatched', 'firstByte', 'finished true -')
  await failures.set({ mode: 'status', status: 400, count: 1 })
  await (await post(url + path, chat('a'))).text()
  await hears('the client\'s own mistake', 'dispatched', 'firstByte', 'finished true -')
  await failures.set({ mode: 'status', status: 500, count: 1 })
  await (await post(url + path, chat('a'))).text()
  await hears('a worker\'s mistake', 'dispatched', 'firstByte', 'finished false -')
  await failures.set({ mode: 'reset', count: 1 })
  await (await post(url + path, chat('a'))).text()
  await hears('a reset', 'dispatched', 'finished false -')
  await failures.set({ mode: 'reset_stream', count: 1 })
  await (await post(url + path, chat('a', { stream: true, max_tokens: 50 }))).text()
  await hears('a broken stream', 'dispatched', 'firstByte', 'finished false -')

  for (const way of [path, '/tokenize']) {
    await failures.set({ mode: 'hang', count: 1 })
    const waiting = await sendRaw(port, way, chat('a'))
    await until('it waits', () => entry?.inFlight === 1)
    waiting.destroy()
    await hears(`a client that leaves ${way} before the answer`, 'dispatched', 'finished false -')
  }
  const reading = await sendRaw(port, path, chat('a', { stream: true, max_tokens: 30_000 }))
  await once(reading, 'data')
  await until('the first token', () => told.length === 2)
  reading.destroy()
  await hears('a client that leaves a stream', 'dispatched', 'firstByte', 'finished false -')

  router.manualWorkers.remove(worker.url)
  await hears('the end of the fleet', 'removed')
})

t.test('a policy that throws costs the request, not the worker', async t => {
  const [worker] = await startWorkers(t, 1)
  const policy = { ...recorder([]), dispatched: () => { throw new Error('a bug in somebody\'s policy') } }
  const { url, router } = await startRouter(t, { workerUrls: [worker?.url ?? ''], policy })
  const response = await post(url + '/v1/chat/completions', chat('a'))
  t.equal(response.status, 500)
  t.match(await response.json(), { error: { code: 'internal_error', message: /^(?!.*bug).*$/ } })
  t.equal(router.workers.list()[0]?.inFlight, 0)
})
