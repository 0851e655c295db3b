// The access log has one line for each request, however it ended; without the option nothing is logged per request.
import t from 'tap'
import { chat, post, sendRaw } from '../helpers/client.ts'
import { startLogging } from '../helpers/log.ts'
import { startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

t.test('with the option', async t => {
  const workers = await startWorkers(t, 1, { interTokenLatencyMs: 1 })
  const { url, router, lines } = await startLogging(t, 'info', { workerUrls: workers.map(worker => worker.url), accessLog: true })
  const chats = url + '/v1/chat/completions'
  let count = 0
  const next = async (): Promise<Record<string, unknown>> => {
    const line = await until('one line more', () => lines('request')[count])
    count++
    return line
  }

  await (await post(chats + '?a=b', chat('a'), { 'x-request-id': 'mine' })).text()
  const line = await next()
  t.match(line, { reqId: 'mine', method: 'POST', path: '/v1/chat/completions', status: 200, end: 'completed', worker: workers[0]?.url, reason: String, completionTokens: 5 })
  t.match(line, { durationMs: Number, firstByteMs: Number, promptTokens: Number })
  t.notOk('failure' in line)

  await (await post(chats, chat('a', { stream: true }))).text()
  t.match(await next(), { status: 200, end: 'completed', path: '/v1/chat/completions' })

  await (await post(chats, { model: 'unknown', messages: [] })).text()
  t.match(await next(), { status: 404, end: 'completed' })

  await (await fetch(url + '/workers/unknown')).text()
  t.match(await next(), { status: 404, failure: 'worker_not_found', path: '/workers/unknown' })

  await (await fetch(url + '/liveness')).text()
  t.match(await next(), { status: 200, path: '/liveness' })

  await workers[0]?.app.simulator.failures.set({ mode: 'hang' })
  const socket = await sendRaw(Number(new URL(url).port), '/v1/chat/completions', chat('a'))
  await until('it is under way', () => router.workers.list()[0]?.inFlight === 1)
  socket.destroy()
  const gone = await next()
  t.match(gone, { end: 'client_gone' })
  t.notOk('status' in gone, 'no answer was begun')
  t.equal(lines('request').length, count)
})

t.test('without the option', async t => {
  const workers = await startWorkers(t, 1)
  const { url, text } = await startLogging(t, 'info', { workerUrls: workers.map(worker => worker.url) })
  const before = text()
  await (await post(url + '/v1/chat/completions', chat('a'))).text()
  await (await fetch(url + '/nothing')).text()
  t.equal(text(), before)
})

t.test('at debug the choice is told', async t => {
  const workers = await startWorkers(t, 1)
  const { url, lines } = await startLogging(t, 'debug', { workerUrls: workers.map(worker => worker.url), policy: 'round_robin' })
  await (await post(url + '/v1/chat/completions', chat('a'), { 'x-request-id': 'mine' })).text()
  t.match(lines('worker chosen'), [{ reqId: 'mine', worker: workers[0]?.url, policy: 'round_robin', candidates: 1 }])
  await until('the end is told, too', () => lines('call settled').length === 1)
})
