// Over HTTP/2, too, no answer that broke off looks complete, another worker answers where none has begun, and each request is counted and logged as it ended.
import t from 'tap'
import { chat } from '../helpers/client.ts'
import { call, connectHttp2, postHttp2 } from '../helpers/http2-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { startSecureRouter } from '../helpers/tls.ts'
import { until } from '../helpers/until.ts'

const paths = ['/v1/chat/completions', '/tokenize'] as const
const chunked = 'Transfer-Encoding: chunked\r\n\r\n'

t.test('a stream', async t => {
  const worker = await startRawWorker(t)
  const { url, router } = await startSecureRouter(t, { workerUrls: [worker.url], disableRetries: true })
  const session = await connectHttp2(t, url)
  const stream = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n'
  for (const path of paths) {
    for (const [rest, gap] of [['9\r\ndata: 1\n\n\r\n', ''], ['7\r\ndata: {\r\n', '\n\n']] as const) {
      worker.answer = (_request, _response, socket) => { socket.write(stream + chunked + rest, () => socket.destroy()) }
      const { status, body, complete } = await postHttp2(session, path, {}).answer
      t.equal(status, 200)
      t.match(body.toString(), new RegExp(`^data: (1\\n\\n|\\{)${gap}data: \\{"error":\\{[^\\n]*"code":"stream_broken"[^\\n]*\\}\\}\\n\\n$`), path)
      t.equal(complete, true, 'as a stream it is complete, with its error')
    }
    worker.answer = (_request, _response, socket) => { socket.write(stream + 'Content-Length: 20\r\n\r\ndata: 1\n\n', () => socket.destroy()) }
    const { body, complete, reset } = await postHttp2(session, path, {}).answer
    t.same([body.toString(), complete, reset], ['data: 1\n\n', false, 2], 'a length was announced: reset with INTERNAL_ERROR')
  }
  await until('all are counted', async () => (await samplesOf(router)).sum('request_errors_total', { error_type: 'stream_broken' }) === 6)
})

t.test('any other answer is reset, with what came before', async t => {
  const worker = await startRawWorker(t)
  const { url } = await startSecureRouter(t, { workerUrls: [worker.url], disableRetries: true })
  const session = await connectHttp2(t, url)
  for (const path of paths) {
    for (const rest of [chunked + '5\r\n{"a":\r\n', 'Content-Length: 10\r\n\r\n{"a":']) {
      worker.answer = (_request, _response, socket) => { socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n' + rest, () => setTimeout(() => socket.destroy(), 20)) }
      const { status, body, complete, reset } = await postHttp2(session, path, {}).answer
      t.same([status, body.toString(), complete, reset], [200, '{"a":', false, 2], path)
    }
  }
  t.equal(session.destroyed, false, 'the connection stays')
})

t.test('before the answer: another worker, or an error', async t => {
  const workers = await startWorkers(t, 2)
  const { url, router } = await startSecureRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'round_robin' })
  const session = await connectHttp2(t, url)
  await workers[0]?.app.simulator.failures.set({ mode: 'reset' })
  for (let i = 0; i < 4; i++) t.equal((await postHttp2(session, '/v1/completions', { model: 'simulated', prompt: 'a' }).answer).status, 200)
  t.ok((await samplesOf(router)).sum('retries_total') > 0)
  await Promise.all(workers.map(worker => worker.app.simulator.failures.set({ mode: 'reset' })))
  for (const path of paths) {
    const { status, headers, body, complete } = await postHttp2(session, path, chat('a')).answer
    t.same([status, headers['content-type'], complete], [502, 'application/json; charset=utf-8', true])
    t.match(JSON.parse(body.toString()), { error: { code: 'worker_connection_failed' } })
    t.equal(headers['x-content-type-options'], 'nosniff')
  }
})

t.test('a slow client slows its worker', async t => {
  const size = 20 * 1024 * 1024
  for (const path of paths) {
    let sent = 0
    const worker = await startRawWorker(t, (_request, response) => {
      response.writeHead(200, { 'content-length': size })
      const more = (): void => {
        while (sent < size) {
          sent += 65_536
          if (!response.write(Buffer.alloc(65_536))) {
            response.once('drain', more)
            return
          }
        }
        response.end()
      }
      more()
    })
    const { url } = await startSecureRouter(t, { workerUrls: [worker.url] })
    const session = await connectHttp2(t, url)
    const slow = postHttp2(session, path, {})
    slow.stream.pause()
    let before = -1
    let still = 0
    await until('the worker waits', () => {
      slow.stream.pause()
      still = sent === before ? still + 1 : 0
      before = sent
      return sent > 0 && still > 50
    })
    t.ok(sent < size * 0.75, `the worker sent ${sent} bytes`)
    t.equal((await call(session, { ':path': '/liveness' }).answer).status, 200, 'others on the connection are served')
    slow.stream.resume()
    const { body, complete } = await slow.answer
    t.same([body.length, complete], [size, true], 'the rest comes once it reads')
  }
})

t.test('the access log', async t => {
  const worker = await startRawWorker(t)
  const lines: Array<Record<string, unknown>> = []
  const log = (line: string): void => {
    const entry = JSON.parse(line) as Record<string, unknown>
    if (entry['msg'] === 'request') lines.push(entry)
  }
  const { url } = await startSecureRouter(t, { workerUrls: [worker.url], accessLog: true }, { log })
  const session = await connectHttp2(t, url)
  await postHttp2(session, '/v1/completions?secret=1', {}).answer
  await until('one line', () => lines.length === 1)
  t.match(lines[0], { method: 'POST', path: '/v1/completions', status: 200, end: 'completed', client: '127.0.0.1' })
  await call(session, { ':path': '/liveness' }).answer
  await until('one more', () => lines.length === 2)
  t.match(lines[1], { method: 'GET', path: '/liveness', status: 200 })

  let asked = 0
  worker.answer = () => { asked++ }
  const gone = postHttp2(session, '/v1/completions', {})
  await until('the worker is asked', () => asked === 1)
  gone.stream.destroy()
  await until('one more', () => lines.length === 3)
  t.match(lines[2], { end: 'client_gone', client: '127.0.0.1' })
  t.notOk('status' in (lines[2] ?? {}), 'no answer was begun')
})
