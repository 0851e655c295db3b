// `endRequests` ends every kind of request in the way its client understands, and blames no worker; so does the removal of a worker at once.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { chat, post, sendRaw } from '../helpers/client.ts'
import { open } from '../helpers/raw-client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

const lastEvent = (code: string): RegExp => new RegExp(`data: \\{"error":\\{[^\\n]*"code":"${code}"[^\\n]*\\}\\}\\n\\n$`)

t.test('the end of all requests', async t => {
  const workers = await startWorkers(t, 2, { interTokenLatencyMs: 20 })
  const { url, port, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), maxConcurrentRequests: 4 })
  const ends: unknown[] = []
  router.calls.on('settled', call => ends.push(call.exchange.end))
  const states: string[] = []
  router.workers.on('suspect', worker => states.push(worker.id))

  const stream = await post(url + '/v1/chat/completions', chat('stream', { stream: true, max_tokens: 30_000 }))
  const text = stream.text()
  const other = await post(url + '/v1/chat/completions', chat('another', { stream: true, max_tokens: 30_000 }))
  const otherText = other.text()
  const whole = post(url + '/v1/chat/completions', chat('whole', { max_tokens: 30_000 }))
  const half = open(port, Buffer.from('POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{'))
  t.teardown(() => half.socket.destroy())
  await until('four are in', () => router.admission.inFlight === 4 && router.workers.list().reduce((sum, worker) => sum + worker.inFlight, 0) === 3)
  const queued = post(url + '/v1/chat/completions', chat('queued'))
  await until('one waits', () => router.admission.waiting === 1)

  router.drain()
  t.equal(router.endRequests(), 5)
  t.match(await text, lastEvent('shutting_down'))
  t.match(await otherText, lastEvent('shutting_down'))
  for (const answer of [await whole, await queued]) {
    t.equal(answer.status, 503)
    t.equal(answer.headers.get('connection'), 'close', 'the last answer on a connection that was there before')
    t.match(await answer.json(), { error: { code: 'shutting_down' } })
  }
  await until('the half one is answered', () => half.text().endsWith('}}'))
  t.match(half.text(), /^HTTP\/1\.1 503 [^]*"code":"shutting_down"/)
  half.socket.destroy()
  await until('nothing is left', () => router.admission.inFlight === 0 && router.deliveries.size === 0)
  t.same(ends, ['client_gone', 'client_gone', 'client_gone'])
  t.same(states, [], 'no worker is suspected')
  await until('workers are free', () => router.workers.list().every(worker => worker.inFlight === 0))
  await until('the engines stopped', () => workers.reduce((sum, worker) => sum + worker.app.simulator.aborts, 0) === 3)
  t.equal((await samplesOf(router)).sum('request_errors_total', { error_type: 'shutting_down' }), 5)
})

t.test('streams and whole answers of paths that are not generation', async t => {
  const worker = createServer((request, response) => {
    if (request.url === '/events') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    else if (request.url === '/bytes') response.writeHead(200, { 'content-length': 10 }).write('12345')
    else if (request.url !== '/silent') response.end('{}')
  })
  worker.listen(0, '127.0.0.1')
  await once(worker, 'listening')
  t.teardown(() => {
    worker.closeAllConnections()
    worker.close()
  })
  const { url, router } = await startRouter(t, { workerUrls: [`http://127.0.0.1:${(worker.address() as AddressInfo).port}`] })
  const events = await fetch(url + '/events')
  const bytes = await fetch(url + '/bytes')
  const silent = fetch(url + '/silent')
  await until('all three are with the worker', () => router.deliveries.size === 3)
  const [text, part] = [events.text(), bytes.text()]
  const cut = t.rejects(part, 'an answer of a known length is cut')
  t.equal(router.endRequests(), 3)
  t.match(await text, /^data: 1\n\ndata: \{"error":\{[^\n]*"code":"shutting_down"[^\n]*\n\n$/)
  await cut
  t.equal((await silent).status, 503)
  await until('nothing is left', () => router.deliveries.size === 0 && router.workers.list()[0]?.inFlight === 0)
})

t.test('a worker removed at once', async t => {
  const workers = await startWorkers(t, 2, { interTokenLatencyMs: 20 })
  const { url, port, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'round_robin' })
  const streams = await Promise.all([1, 2].map(() => post(url + '/v1/chat/completions', chat('a', { stream: true, max_tokens: 100 }), { 'x-vllm-router-explain': '1' })))
  const whole = [1, 2].map(() => post(url + '/v1/chat/completions', chat('b', { max_tokens: 20 })))
  await until('both are busy', () => router.workers.list().every(worker => worker.inFlight === 2))
  const [removed, kept] = router.workers.list()
  if (removed === undefined || kept === undefined) throw new Error('no workers')
  t.equal((await fetch(`${url}/workers/${encodeURIComponent(removed.id)}?drain=maybe`, { method: 'DELETE' })).status, 400)
  t.equal((await fetch(`${url}/workers/${encodeURIComponent(removed.id)}?drain=false`, { method: 'DELETE' })).status, 200)
  await until('it is gone', () => removed.state === 'gone')
  for (const stream of streams) {
    const cut = stream.headers.get('x-vllm-router-decision')?.includes(removed.alias) === true
    t.match(await stream.text(), cut ? lastEvent('stream_broken') : /\[DONE\]\n\n$/)
  }
  t.same((await Promise.all(whole)).map(answer => answer.status), [200, 200], 'what had no answer yet got it from the other')

  const holder = await sendRaw(port, '/v1/chat/completions', chat('c', { stream: true, max_tokens: 30_000 }))
  await until('it streams', () => kept.inFlight === 1)
  t.equal((await fetch(`${url}/workers/${encodeURIComponent(kept.id)}?drain=true`, { method: 'DELETE' })).status, 200)
  t.equal(kept.state, 'draining', 'it finishes what it has')
  holder.destroy()
  await until('it is gone', () => kept.state === 'gone')
})
