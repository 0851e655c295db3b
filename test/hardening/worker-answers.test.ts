// Whatever bytes a worker answers with, its client gets that answer with one meaning or an error, nobody gets another's, and no redirect is followed.
import t from 'tap'
import { Conversation } from '../helpers/conversation.ts'
import { bytes, startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { startTcpWorker } from '../helpers/tcp-worker.ts'
import { until } from '../helpers/until.ts'

/** One of each way out. */
const paths = ['/v1/completions', '/v1/responses', '/tokenize', '/any/path']

interface Answer {
  readonly name: string
  readonly bytes: string
  /** What the client gets: an error of the router, or a status with this body. */
  readonly gets: 502 | readonly [status: number, body: string]
  readonly has?: Readonly<Record<string, readonly string[]>>
}

const ok = 'HTTP/1.1 200 OK\r\n'
const two = 'Content-Length: 2\r\n\r\n{}'
/** What a worker hides behind an answer, for whoever comes next. */
const hidden = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled'
const next = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\nthe next answer')

const answers: readonly Answer[] = [
  { name: 'two lengths', bytes: `${ok}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, gets: 502 },
  { name: 'a list of lengths', bytes: `${ok}Content-Length: 2, 2\r\n\r\n{}`, gets: 502 },
  { name: 'length with a plus', bytes: `${ok}Content-Length: +2\r\n\r\n{}`, gets: 502 },
  { name: 'length and chunks', bytes: `${ok}Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, gets: 502 },
  { name: 'chunks and length', bytes: `${ok}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, gets: 502 },
  { name: 'gzip, chunked', bytes: `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, gets: 502 },
  { name: 'coding given twice', bytes: `${ok}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`, gets: 502 },
  { name: 'another coding', bytes: `${ok}Transfer-Encoding: gzip\r\nConnection: close\r\n\r\n{}`, gets: 502 },
  { name: 'folded line', bytes: `${ok}X-A: b\r\n c\r\n${two}`, gets: 502 },
  { name: 'folded length', bytes: `${ok}Content-Length:\r\n 2\r\n\r\n{}`, gets: 502 },
  { name: 'lines that end in LF', bytes: `HTTP/1.1 200 OK\nX-A: b\n${two}`, gets: 502 },
  { name: 'CR in a value', bytes: `${ok}X-A: b\rX-C: d\r\n${two}`, gets: 502 },
  { name: 'NUL in a value', bytes: `${ok}X-A: b\0c\r\n${two}`, gets: 502 },
  { name: 'control character in a value', bytes: `${ok}X-A: b\x01c\r\n${two}`, gets: 502 },
  { name: 'space before a colon', bytes: `${ok}X-A : b\r\n${two}`, gets: 502 },
  { name: 'name beyond ASCII', bytes: `${ok}X-\xe9: b\r\n${two}`, gets: 502 },
  { name: 'no head at all', bytes: 'just text\r\n\r\n', gets: 502 },
  { name: 'HTTP/3.0', bytes: `HTTP/3.0 200 OK\r\n${two}`, gets: 502 },
  { name: 'status of two digits', bytes: `HTTP/1.1 20 OK\r\n${two}`, gets: 502 },
  { name: 'status of four digits', bytes: `HTTP/1.1 2000 OK\r\n${two}`, gets: 502 },
  { name: 'status below 100', bytes: `HTTP/1.1 007 OK\r\n${two}`, gets: 502 },
  { name: '101 nobody asked for', bytes: `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n${hidden}`, gets: 502 },
  { name: '100 nobody asked for', bytes: `HTTP/1.1 100 Continue\r\n\r\n${ok}${two}`, gets: 502 },
  { name: 'twenty KiB of headers', bytes: `${ok}X-A: ${'a'.repeat(20_480)}\r\n${two}`, gets: 502 },
  { name: 'five thousand headers', bytes: `${ok}${'X-A: a\r\n'.repeat(5000)}${two}`, gets: 502 },
  { name: 'a name that never ends', bytes: `${ok}${'X'.repeat(200_000)}`, gets: 502 },
  { name: 'a thousand early hints', bytes: `${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(1000)}${ok}${two}`, gets: [200, '{}'], has: { link: [] } },
  { name: 'an answer behind the answer', bytes: `${ok}${two}${hidden}`, gets: [200, '{}'] },
  { name: 'an answer behind an answer in chunks', bytes: `${ok}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n${hidden}`, gets: [200, '{}'] },
  { name: 'an answer behind one without a body', bytes: `HTTP/1.1 204 No Content\r\n\r\n${hidden}`, gets: [204, ''] },
  { name: 'a length of what has no body', bytes: `HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\n${hidden}`, gets: 502 },
  { name: 'trailers', bytes: `${ok}Transfer-Encoding: chunked\r\nTrailer: X-Request-Id\r\n\r\n2\r\n{}\r\n0\r\nX-Request-Id: trailer\r\nX-A: trailer\r\n\r\n`, gets: [200, '{}'], has: { 'x-a': [], trailer: [] } },
  { name: 'an extension of a chunk', bytes: `${ok}Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\n\r\n`, gets: [200, '{}'] },
  { name: 'names that every object has', bytes: `${ok}__proto__: a\r\n__proto__: a2\r\nconstructor: b\r\nconstructor: c\r\ntoString: d\r\n${two}`, gets: [200, '{}'], has: { constructor: ['b', 'c'], tostring: ['d'], 0: [] } },
  { name: 'Connection: x-request-id, content-type', bytes: `${ok}Connection: x-request-id, content-type\r\nContent-Type: text/html\r\nX-Request-Id: worker\r\n${two}`, gets: [200, '{}'], has: { 'content-type': [] } },
  { name: 'Connection: content-length', bytes: `${ok}Connection: content-length\r\n${two}`, gets: [200, '{}'] },
  { name: 'headers of the connection', bytes: `${ok}Keep-Alive: timeout=1000\r\nUpgrade: h2c\r\nProxy-Authenticate: Basic\r\n${two}`, gets: [200, '{}'], has: { 'keep-alive': ['timeout=72'], upgrade: [], 'proxy-authenticate': [] } },
  { name: 'bytes beyond ASCII', bytes: `${ok}X-A: \xe9\x80\r\n${two}`, gets: [200, '{}'], has: { 'x-a': ['\xe9\x80'] } },
  { name: 'HTTP/1.0', bytes: `HTTP/1.0 200 OK\r\n${two}`, gets: [200, '{}'] },
  { name: 'words beside the status that Latin-1 lacks', bytes: `HTTP/1.1 200 \xe2\x9c\x93\r\n${two}`, gets: [200, '{}'] },
  { name: 'a cookie and a line break in escapes', bytes: `${ok}Set-Cookie: a=%0d%0aX-B: c\r\n${two}`, gets: [200, '{}'], has: { 'x-b': [] } }
]

t.test('answers', async t => {
  const worker = await startTcpWorker(t)
  const { port, router } = await startRouter(t, { workerUrls: [worker.url], disableRetries: true, disableCircuitBreaker: true, disableOutlierDetection: true })
  for (const { name, bytes: text, gets, has = {} } of answers) {
    for (const path of paths) {
      worker.answer = Buffer.from(text, 'latin1')
      const client = new Conversation(port)
      client.say(`POST ${path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\nContent-Length: 2\r\n\r\n{}`)
      const got = await client.answer(`${name} ${path}`)
      if (gets === 502) {
        const code = got?.status === 502 ? (JSON.parse(got.body.toString()) as { error: { code: string } }).error.code : `status ${got?.status}`
        t.equal(code, 'worker_connection_failed', `${name} ${path}`)
      } else {
        const fields = Object.keys(has).map(field => valuesOf(got?.headers ?? [], field))
        t.same([got?.status, got?.body.toString(), valuesOf(got?.headers ?? [], 'x-request-id'), fields], [...gets, ['mine'], Object.values(has)], `${name} ${path}`)
      }
      // the next one, on the client's connection if that is still there, gets its own answer
      worker.answer = next
      for (const same of [true, false]) {
        const other = same && !client.closed ? client : new Conversation(port)
        other.say(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
        t.equal((await other.answer(`the one after ${name}`))?.body.toString(), 'the next answer', `the one after ${name} ${path}`)
        other.leave()
      }
      client.leave()
    }
  }
  t.equal(router.workers.list()[0]?.inFlight, 0)
})

t.test('redirects are the client\'s to follow', async t => {
  const elsewhere = await startRawWorker(t)
  const worker = await startRawWorker(t)
  const { port } = await startRouter(t, { workerUrls: [worker.url], apiKey: 'sekret', disableCircuitBreaker: true })
  for (const status of [300, 301, 302, 303, 305, 307, 308]) {
    for (const target of [`${elsewhere.url}/x`, 'http://169.254.169.254/latest/meta-data/', '/v1/models', '//evil.example/']) {
      for (const path of paths) {
        worker.answer = bytes(`HTTP/1.1 ${status} Elsewhere\r\nLocation: ${target}\r\n${two}`)
        const client = new Conversation(port)
        client.say(`POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`)
        const got = await client.answer(`${status} ${path}`)
        t.same([got?.status, got?.body.toString(), valuesOf(got?.headers ?? [], 'location')], [status, '{}', [target]])
        client.leave()
      }
    }
  }
  t.same([elsewhere.requests.length, elsewhere.questions.length], [0, 0], 'nobody went there')
})

t.test('nor does the router itself follow them', async t => {
  const elsewhere = await startRawWorker(t)
  // a worker that sends every question elsewhere, where it would be answered well
  const worker = await startRawWorker(t)
  worker.server.removeAllListeners('request')
  let asked = 0
  worker.server.on('request', (request, response) => {
    asked++
    response.writeHead(307, { location: elsewhere.url + (request.url ?? '') }).end()
  })
  const { app, router } = await startRouter(t, { workerUrls: [worker.url], apiKey: 'sekret', policy: 'power_of_two', loadScrapeIntervalSecs: 0.05, workerStartupCheckInterval: 0.05 }, false)
  await until('it was asked', () => asked > 3)
  t.equal(router.workers.list()[0]?.state, 'starting', 'a redirect is no sign of life')
  t.equal((await app.inject('/health_generate')).statusCode, 503)
  t.equal((await app.inject('/get_loads')).statusCode, 200)
  t.equal((await app.inject({ method: 'POST', url: '/flush_cache' })).statusCode, 207)
  t.same([elsewhere.requests.length, elsewhere.questions.length], [0, 0])
})
