// Requests in flight are truly bounded: streams count to their end, others wait in order, are refused, or leave without a trace.
import { setTimeout as after } from 'node:timers/promises'
import t from 'tap'
import { chat, post, sendRaw } from '../helpers/client.ts'
import { open, requestBytes } from '../helpers/raw-client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

interface Refusal { error: { code: string, type: string } }

t.test('six streams, two at a time', async t => {
  const workers = await startWorkers(t, 2, { interTokenLatencyMs: 5 })
  const { url, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), maxConcurrentRequests: 2 })
  let most = 0
  let begun = 0
  router.balancer.on('assigned', () => {
    begun++
    most = Math.max(most, router.workers.list().reduce((sum, worker) => sum + worker.inFlight, 0))
  })
  const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(async n => {
    const answer = await post(url + '/v1/chat/completions', chat(`stream ${n}`, { stream: true, max_tokens: 20 }))
    return await answer.text()
  }))
  for (const text of answers) t.match(text, /\[DONE\]\n\n$/)
  t.equal(begun, 6)
  t.equal(most, 2)
  await until('all places are back', () => router.admission.inFlight === 0)
  const samples = await samplesOf(router)
  t.equal(samples.sum('queue_wait_seconds_count'), 4)
  t.ok(samples.sum('queue_wait_seconds_sum') > 0)
})

t.test('a full queue, a long wait, and one that leaves', async t => {
  const workers = await startWorkers(t, 1, { interTokenLatencyMs: 20 })
  const { url, port, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), maxConcurrentRequests: 1, queueSize: 1, queueTimeoutSecs: 0.3 })
  const holder = await sendRaw(port, '/v1/chat/completions', chat('holds', { stream: true, max_tokens: 30_000 }))
  t.teardown(() => holder.destroy())
  await until('the place is taken', () => router.workers.list()[0]?.inFlight === 1)

  const leaver = await sendRaw(port, '/v1/chat/completions', chat('leaves'))
  await until('it waits', () => router.admission.waiting === 1)
  const full = await post(url + '/v1/chat/completions', chat('one too many'))
  t.equal(full.status, 429)
  t.equal(full.headers.get('retry-after'), '1')
  t.match(await full.json() as Refusal, { error: { code: 'queue_full' } })
  leaver.destroy()
  await until('its place in the queue is free', () => router.admission.waiting === 0)

  const before = performance.now()
  const late = await post(url + '/v1/chat/completions', chat('waits too long'))
  t.equal(late.status, 408)
  t.match(await late.json() as Refusal, { error: { code: 'queue_timeout' } })
  t.ok(performance.now() - before >= 290)
  t.equal(router.workers.list()[0]?.processed, 1, 'none of them reached the worker')

  const samples = await samplesOf(router)
  t.equal(samples.sum('queue_rejections_total', { reason: 'full' }), 1)
  t.equal(samples.sum('queue_rejections_total', { reason: 'timeout' }), 1)
  t.equal(samples.sum('in_flight_requests'), 1)
  t.equal(samples.sum('requests_total'), 3, 'who was refused or left is counted, too')
  t.equal(samples.sum('request_errors_total', { error_type: 'queue_full' }), 1)
  t.equal((await fetch(url + '/readiness')).status, 200, 'the router\'s own routes need no place')

  const next = post(url + '/v1/chat/completions', chat('comes in'))
  await until('it waits', () => router.admission.waiting === 1)
  holder.destroy()
  t.equal((await next).status, 200, 'a client that leaves within its stream gives its place back')
  await until('all places are back', () => router.admission.inFlight === 0)
})

t.test('a limit per worker is waited for', async t => {
  const workers = await startWorkers(t, 2, { interTokenLatencyMs: 2 })
  const { url, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'random', maxConcurrentRequestsPerWorker: 2 })
  const most = new Map<string, number>()
  router.balancer.on('assigned', ({ worker }) => most.set(worker.id, Math.max(most.get(worker.id) ?? 0, worker.inFlight)))
  const statuses = await Promise.all(Array.from({ length: 40 }, async (_, n) => {
    const answer = await post(url + '/v1/chat/completions', chat(`request ${n}`, { max_tokens: 3 }))
    await answer.text()
    return answer.status
  }))
  t.same(new Set(statuses), new Set([200]), 'nobody is turned away')
  t.same([...most.values()], [2, 2])
  await until('all places are back', () => router.admission.inFlight === 0)
  t.ok(router.workers.list().every(worker => worker.holds.size === 0), 'nobody stays held')
})

t.test('clients that leave full workers let the next ones in', async t => {
  const workers = await startWorkers(t, 1, { interTokenLatencyMs: 50 })
  const { url, port, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), maxConcurrentRequestsPerWorker: 1 })
  const holder = await sendRaw(port, '/v1/chat/completions', chat('holds', { stream: true, max_tokens: 30_000 }))
  await until('the worker is full', () => router.workers.list()[0]?.holds.has('full') === true)
  // a GET goes from the queue to the worker without a turn in between
  const next = fetch(url + '/version')
  await until('it waits', () => router.admission.waiting === 1)
  holder.destroy()
  t.equal((await next).status, 200)
})

t.test('nobody to wait for is said at once', async t => {
  const { url } = await startRouter(t, { workerUrls: ['http://127.0.0.1:9'], maxConcurrentRequestsPerWorker: 1 }, false)
  const before = performance.now()
  t.same((await Promise.all([1, 2, 3].map(() => post(url + '/v1/chat/completions', chat('a'))))).map(answer => answer.status), [503, 503, 503])
  t.ok(performance.now() - before < 5000)
})

t.test('pipelined requests leave no place behind', async t => {
  const workers = await startWorkers(t, 1, { interTokenLatencyMs: 20 })
  const { port, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), maxConcurrentRequests: 2 })
  const one = requestBytes({
    path: '/v1/chat/completions', headers: [['content-type', 'application/json']], body: JSON.stringify(chat('a', { stream: true, max_tokens: 1000 }))
  }, 'keep-alive')
  const { socket } = open(port, Buffer.concat([one, one, one, one]))
  await until('two are in and two wait', () => router.admission.inFlight === 2 && router.admission.waiting === 2)
  socket.destroy()
  await until('all places are back', () => router.admission.inFlight === 0 && router.admission.waiting === 0)
  await until('the worker is free', () => router.workers.list()[0]?.inFlight === 0)
})

t.test('a rate bounds how many come in', async t => {
  const workers = await startWorkers(t, 1)
  const { url, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), rateLimitTokensPerSecond: 4 })
  const times: number[] = []
  router.balancer.on('assigned', () => times.push(performance.now()))
  await Promise.all(Array.from({ length: 8 }, async () => await (await post(url + '/v1/chat/completions', chat('a'))).text()))
  t.equal(times.length, 8)
  t.ok((times[7] ?? 0) - (times[0] ?? 0) > 900, `${(times[7] ?? 0) - (times[0] ?? 0)} ms: four at once, then one each 250 ms`)
})

t.test('limits change while requests wait; requests made inside the application count, too', async t => {
  const workers = await startWorkers(t, 1, { interTokenLatencyMs: 5 })
  const { url, app, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), maxConcurrentRequests: 1 })
  const answers = [1, 2, 3].map(async n => await (await post(url + '/v1/chat/completions', chat(`${n}`, { stream: true, max_tokens: 100 }))).text())
  await until('two wait', () => router.admission.waiting === 2)
  router.admission.configure({ maxConcurrentRequests: 3 })
  t.equal(router.admission.waiting, 0)
  t.equal(router.admission.inFlight, 3)
  await Promise.all(answers)
  const injected = await Promise.race([app.inject({ method: 'POST', url: '/v1/chat/completions', payload: chat('a') }), after(5000, undefined, { ref: false })])
  t.equal(injected?.statusCode, 200)
  await until('all places are back', () => router.admission.inFlight === 0)
})
