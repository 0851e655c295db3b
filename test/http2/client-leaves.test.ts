// A client that cancels one of its streams, or drops its connection, stops the worker within 100 ms in whatever phase, and no account stays open.
import type { ServerResponse } from 'node:http'
import { constants } from 'node:http2'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { call, connectHttp2 } from '../helpers/http2-client.ts'
import type { Http2Call } from '../helpers/http2-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import type { RawWorker } from '../helpers/raw-worker.ts'
import { samplesOf } from '../helpers/samples.ts'
import { pem, startSecureRouter } from '../helpers/tls.ts'
import { until } from '../helpers/until.ts'

const paths = ['/v1/chat/completions', '/v1/responses', '/tokenize', '/v1/responses/resp_1', '/any/path']
const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = constants

t.test('a client that leaves', async t => {
  let held: ServerResponse[] = []
  const worker = await startRawWorker(t)
  const { url, router } = await startSecureRouter(t, { workerUrls: [worker.url] })
  const session = await connectHttp2(t, url)
  const ends: unknown[] = []
  const times: number[] = []
  router.calls.on('settled', ({ exchange }) => ends.push(exchange.end))
  const inFlight = (): number => router.workers.list().reduce((sum, one) => sum + one.inFlight, 0)
  const hang: RawWorker['answer'] = (_request, response) => { held.push(response) }
  const begin = (type: string): RawWorker['answer'] => (_request, response) => {
    held.push(response)
    response.writeHead(200, { 'content-type': type })
    response.write('data: 1\n\n')
  }

  async function leave (t: Test, name: string, method: string, path: string, ready: (one: Http2Call) => boolean, how: (one: Http2Call) => void): Promise<void> {
    held = []
    ends.length = 0
    worker.aborts = 0
    const one = call(session, { ':method': method, ':path': path }, method === 'POST' ? '{"stream":true}' : undefined)
    await until(`${name}: under way`, () => held.length === 1 && ready(one))
    t.equal(inFlight(), 1, `${name}: a lease`)
    const left = performance.now()
    how(one)
    await until(`${name}: the worker knows`, () => worker.aborts === 1)
    times.push(performance.now() - left)
    await until(`${name}: no account is open`, () => inFlight() === 0 && router.admission.inFlight === 0 && router.deliveries.size === 0)
    t.same(ends, ['client_gone'], `${name}: settled once`)
  }
  const cancel = (one: Http2Call): void => one.stream.close(NGHTTP2_CANCEL)

  t.test('before the head, and within the body', async t => {
    for (const path of paths) {
      worker.answer = hang
      await leave(t, `${path} waiting`, 'POST', path, () => true, cancel)
      await leave(t, `${path} waiting, with another code`, 'POST', path, () => true, one => one.stream.close(NGHTTP2_NO_ERROR))
      for (const type of ['text/event-stream', 'application/json']) {
        worker.answer = begin(type)
        await leave(t, `${path} ${type}`, 'POST', path, one => one.text().includes('data: 1'), cancel)
      }
    }
    worker.answer = hang
    await leave(t, 'HEAD', 'HEAD', '/any/path', () => true, cancel)
    // a busy machine may pause any of them
    const median = times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Infinity
    t.ok(median < 100, `within ${median} ms`)
    const { sum } = await samplesOf(router)
    t.equal(sum('request_errors_total', { error_type: 'client_gone' }), paths.length * 4 + 1, 'counted as what they are')
    t.equal(sum('requests_total'), paths.length * 4 + 1)
  })

  t.test('while it reads nothing', async t => {
    for (const path of paths) {
      let sent = 0
      let full = false
      worker.answer = (_request, response) => {
        held.push(response)
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        const more = (): void => {
          while (!response.destroyed) {
            sent += 65_536
            if (!response.write(Buffer.alloc(65_536, 'x'))) break
          }
          full = true
          response.once('drain', more)
        }
        more()
      }
      let before = -1
      let still = 0
      const ready = ({ stream }: Http2Call): boolean => {
        stream.pause()
        still = sent === before ? still + 1 : 0
        before = sent
        return full && still > 20
      }
      await leave(t, `${path} full`, 'POST', path, ready, cancel)
    }
  })

  t.test('while it sends its body', async t => {
    worker.answer = (_request, response) => { response.end('{}') }
    // a connection is there on which they could go out at once
    await call(session, { ':method': 'POST', ':path': '/tokenize' }, '{}').answer
    const before = worker.requests.length
    for (const path of paths) {
      const one = call(session, { ':method': 'POST', ':path': path, 'content-type': 'application/json' }, '{"model":"raw"}', true)
      await until('the body is being read', () => router.admission.inFlight === 1)
      // Node's `close` would end the body first
      one.stream.destroy()
      await until(`${path}: no account is open`, () => router.admission.inFlight === 0)
    }
    // what was cancelled would be with the worker by now
    await call(session, { ':path': '/liveness' }).answer
    t.same([worker.requests.length - before, inFlight()], [0, 0], 'no worker heard of them')
  })

  t.test('with its connection', async t => {
    for (const drop of ['the session', 'the socket'] as const) {
      held = []
      ends.length = 0
      worker.aborts = 0
      worker.answer = (request, response) => { (request.url === '/tokenize' ? hang : begin('text/event-stream'))(request, response, response.socket as never) }
      let socket: TLSSocket | undefined
      const other = await connectHttp2(t, url, { createConnection: target => (socket = connectTls({ port: Number(target.port), host: target.hostname, ca: pem('ca'), ALPNProtocols: ['h2'] })) })
      for (const path of ['/v1/completions', '/tokenize', '/any/path']) call(other, { ':method': 'POST', ':path': path }, '{}')
      await until('all are under way', () => held.length === 3)
      if (drop === 'the session') other.destroy()
      else socket?.destroy()
      await until('the worker knows', () => worker.aborts === 3)
      await until('no account is open', () => inFlight() === 0 && router.admission.inFlight === 0)
      t.same(ends, ['client_gone', 'client_gone', 'client_gone'], drop)
    }
  })

  t.test('while it waits in the queue', async t => {
    held = []
    worker.answer = hang
    const narrow = await startSecureRouter(t, { workerUrls: [worker.url], maxConcurrentRequests: 1 })
    const other = await connectHttp2(t, narrow.url)
    const first = call(other, { ':method': 'POST', ':path': '/v1/completions' }, '{}')
    await until('one is in', () => held.length === 1)
    const second = call(other, { ':method': 'POST', ':path': '/v1/completions' }, '{}')
    await until('one waits', () => narrow.router.admission.waiting === 1)
    cancel(second)
    await until('none waits', () => narrow.router.admission.waiting === 0)
    cancel(first)
    await until('none is in', () => narrow.router.admission.inFlight === 0)
    t.equal(held.length, 1, 'the worker never heard of the second')
  })

  t.test('while it is found out who it is', async t => {
    const found: Array<() => void> = []
    const before = worker.requests.length
    const guarded = await startSecureRouter(t, {
      workerUrls: [worker.url],
      async authenticate () {
        await new Promise<void>(resolve => found.push(resolve))
        return { name: 'somebody' }
      }
    })
    const other = await connectHttp2(t, guarded.url)
    for (const body of ['{}', undefined]) {
      const one = call(other, { ':method': 'POST', ':path': '/v1/completions', 'content-type': 'application/json' }, body)
      await until('it is asked for', () => found.length > 0)
      one.stream.destroy()
      // an answer on the same connection comes after the reset has arrived
      await call(other, { ':path': '/liveness' }).answer
      found.pop()?.()
    }
    await call(other, { ':path': '/liveness' }).answer
    t.same([worker.requests.length - before, guarded.router.admission.inFlight, guarded.router.deliveries.size], [0, 0, 0])
  })

  t.test('others on the connection are not touched', async t => {
    worker.answer = begin('text/event-stream')
    held = []
    const one = call(session, { ':method': 'POST', ':path': '/v1/completions' }, '{}')
    const other = call(session, { ':method': 'POST', ':path': '/v1/completions' }, '{}')
    await until('both stream', () => one.text() !== '' && other.text() !== '')
    cancel(one)
    await until('one is gone', () => inFlight() === 1)
    for (const response of held) response.end('data: [DONE]\n\n')
    const { body, complete } = await other.answer
    t.same([body.toString(), complete], ['data: 1\n\ndata: [DONE]\n\n', true])
  })
})
