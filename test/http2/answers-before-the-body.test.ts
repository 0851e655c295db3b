// A request over HTTP/2 that is answered before its body came is closed soon after, and nothing waits for the rest of it.
import t from 'tap'
import { call, connectHttp2 } from '../helpers/http2-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startSecureRouter } from '../helpers/tls.ts'
import { until } from '../helpers/until.ts'

const post = { ':method': 'POST', ':path': '/v1/completions', 'content-type': 'application/json' }

t.test('too long', async t => {
  const worker = await startRawWorker(t)
  const { url, router } = await startSecureRouter(t, { workerUrls: [worker.url], maxPayloadSize: 1000 })
  const session = await connectHttp2(t, url)
  const warnings: string[] = []
  const warn = ({ message }: Error): void => { warnings.push(message) }
  process.on('warning', warn)
  t.teardown(() => process.off('warning', warn))
  for (const announced of [{ 'content-length': '2000' }, {}]) {
    const { status, headers, body, reset } = await call(session, { ...post, ...announced }, 'x'.repeat(1500), true).answer
    t.same([status, reset, headers.connection], [413, 0, undefined])
    t.match(JSON.parse(body.toString()), { error: { code: 'payload_too_large' } })
  }
  await until('no account is open', () => router.admission.inFlight === 0)
  t.equal(worker.requests.length, 0)
  t.same(warnings, [], 'Node warns of nothing')
})

t.test('silent within it', async t => {
  const worker = await startRawWorker(t)
  const { url, router } = await startSecureRouter(t, { workerUrls: [worker.url], clientBodyIdleTimeoutSecs: 0.4 })
  const session = await connectHttp2(t, url)
  const before = performance.now()
  const silent = call(session, post, '{', true)
  // bytes of other requests on the same connection are not its own
  const patient = call(session, post, '{', true)
  const timer = setInterval(() => patient.stream.write(' '), 50)
  const { status, body } = await silent.answer
  t.ok(performance.now() - before >= 400)
  t.equal(status, 408)
  t.match(JSON.parse(body.toString()), { error: { code: 'client_body_timeout' } })
  clearInterval(timer)
  patient.stream.end('}')
  t.equal((await patient.answer).status, 200, 'one that goes on is served')
  await until('no account is open', () => router.admission.inFlight === 0)
})

t.test('connections that ask for nothing are closed', async t => {
  const { url } = await startSecureRouter(t, {}, { headersMs: 300 })
  const session = await connectHttp2(t, url)
  const used = await connectHttp2(t, url)
  t.equal((await call(used, { ':path': '/liveness' }).answer).status, 200)
  await until('it is closed', () => session.destroyed)
  t.equal(used.destroyed, false, 'one that was used is kept')
})

t.test('a patience longer than Node\'s own', async t => {
  for (const http2 of [true, false]) t.ok(await startSecureRouter(t, { adminPort: 0 }, { http2, headersMs: 400_000 }))
})

t.test('streams of one connection are bounded', async t => {
  const { url } = await startSecureRouter(t)
  const session = await connectHttp2(t, url)
  await call(session, { ':path': '/liveness' }).answer
  t.match(session.remoteSettings, { maxConcurrentStreams: 250, initialWindowSize: 262_144 })
})
