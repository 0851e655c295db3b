// A router that ends lets HTTP/2 streams flow to their end, sends clients to other connections first, and is closed right after.
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { chat } from '../helpers/client.ts'
import { call, connectHttp2, postHttp2 } from '../helpers/http2-client.ts'
import { startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { pem, startSecureRouter } from '../helpers/tls.ts'
import { until } from '../helpers/until.ts'

t.test('told first, then closed', async t => {
  const workers = await startWorkers(t, 1, { interTokenLatencyMs: 10 })
  const { url, app, router } = await startSecureRouter(t, { workerUrls: workers.map(worker => worker.url) })
  const busy = await connectHttp2(t, url)
  const idle = await connectHttp2(t, url)
  t.equal((await call(idle, { ':path': '/readiness' }).answer).status, 200)
  const stream = postHttp2(busy, '/v1/chat/completions', chat('a', { stream: true, max_tokens: 150 }))
  await until('it streams', () => stream.text() !== '')

  const goaways = Promise.all([once(busy, 'goaway'), once(idle, 'goaway')])
  router.drain()
  t.same((await goaways).map(([code, last]) => [code, last]), [[0, 2 ** 31 - 1], [0, 2 ** 31 - 1]], 'both are told, and no request is refused')
  await until('the idle one is gone', () => idle.destroyed)
  t.equal(busy.destroyed, false)

  const late = await connectHttp2(t, url)
  const lateGoaway = once(late, 'goaway')
  t.equal((await call(late, { ':path': '/readiness' }).answer).status, 503, 'a new connection is served')
  await lateGoaway
  t.notMatch(stream.text(), /\[DONE\]/, 'the stream was under way all the while')

  let closed = false
  const closing = app.close().then(() => { closed = true })
  await until('new connections are refused', () => connectHttp2(t, url).then(session => { session.destroy(); return false }, () => true))
  t.equal(closed, false)
  const { body, complete } = await stream.answer
  const ended = performance.now()
  t.match(body.toString(), /data: \[DONE\]\n\n$/)
  t.equal(complete, true)
  await closing
  t.ok(performance.now() - ended < 1000, 'closed with the end of the stream')
})

t.test('clients of HTTP/1.1 over TLS finish, too', async t => {
  const workers = await startWorkers(t, 1, { interTokenLatencyMs: 10 })
  for (const http2 of [true, false]) {
    const { url, app } = await startSecureRouter(t, { workerUrls: workers.map(worker => worker.url) }, { http2 })
    const agent = new Agent({ keepAlive: true, ca: pem('ca') })
    t.teardown(() => agent.destroy())
    const asked = request(url + '/v1/chat/completions', { agent, method: 'POST', headers: { 'content-type': 'application/json' } })
    asked.end(JSON.stringify(chat('a', { stream: true, max_tokens: 150 })))
    const [response] = await once(asked, 'response') as [IncomingMessage]
    const closing = app.close()
    // longer than the grace for heads and handshakes that do not end
    t.match(await text(response), /data: \[DONE\]\n\n$/)
    const ended = performance.now()
    await closing
    t.ok(performance.now() - ended < 1000, 'closed with the end of the stream, although its connection is kept alive')
  }
})

t.test('connections on which nothing happens do not keep it', async t => {
  for (const http2 of [true, false]) {
    const { url, app } = await startSecureRouter(t, {}, { http2 })
    if (http2) {
      const session = await connectHttp2(t, url)
      await call(session, { ':path': '/liveness' }).answer
      await connectHttp2(t, url)
    }
    // TLS without a request, and a handshake that never ends
    const silent = connectTls({ port: Number(new URL(url).port), host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
    silent.on('error', () => {})
    await once(silent, 'secureConnect')
    const half = connect(Number(new URL(url).port), '127.0.0.1')
    half.on('error', () => {})
    half.write(Buffer.from([0x16, 0x03, 0x01]))
    t.teardown(() => {
      silent.destroy()
      half.destroy()
    })
    await until('all are there', () => new Promise<boolean>(resolve => app.server.getConnections((_error, count) => resolve(count >= (http2 ? 4 : 2)))))
    const before = performance.now()
    await app.close()
    t.ok(performance.now() - before < 2500, `closed after ${performance.now() - before} ms`)
  }
})

t.test('the end of all requests', async t => {
  const workers = await startWorkers(t, 1, { interTokenLatencyMs: 20 })
  const { url, router } = await startSecureRouter(t, { workerUrls: workers.map(worker => worker.url), maxConcurrentRequests: 3 })
  const session = await connectHttp2(t, url)
  const path = '/v1/chat/completions'
  const stream = postHttp2(session, path, chat('stream', { stream: true, max_tokens: 30_000 }))
  const whole = postHttp2(session, path, chat('whole', { max_tokens: 30_000 }))
  const half = call(session, { ':method': 'POST', ':path': path, 'content-type': 'application/json' }, '{', true)
  await until('three are in', () => router.admission.inFlight === 3 && stream.text() !== '')
  const queued = postHttp2(session, path, chat('queued'))
  await until('one waits', () => router.admission.waiting === 1)

  t.equal(router.endRequests(), 4)
  const { body, complete } = await stream.answer
  t.match(body.toString(), /data: \{"error":\{[^\n]*"code":"shutting_down"[^\n]*\}\}\n\n$/)
  t.equal(complete, true)
  for (const one of [whole, queued, half]) {
    const { status, headers, body } = await one.answer
    t.equal(status, 503)
    t.match(JSON.parse(body.toString()), { error: { code: 'shutting_down' } })
    t.equal(headers.connection, undefined)
  }
  await until('nothing is left', () => router.admission.inFlight === 0 && router.deliveries.size === 0)
  await until('the engines stopped', () => workers[0]?.app.simulator.aborts === 2)
  t.equal((await samplesOf(router)).sum('request_errors_total', { error_type: 'shutting_down' }), 4)
})

t.test('who does not go is cut', async t => {
  const workers = await startWorkers(t, 1, { interTokenLatencyMs: 20 })
  const { url, app, router } = await startSecureRouter(t, { workerUrls: workers.map(worker => worker.url) })
  const session = await connectHttp2(t, url)
  const stream = postHttp2(session, '/v1/chat/completions', chat('a', { stream: true, max_tokens: 30_000 }))
  await until('it streams', () => stream.text() !== '')
  const closing = app.close()
  router.cutConnections()
  await closing
  t.equal((await stream.answer).complete, false)
})
