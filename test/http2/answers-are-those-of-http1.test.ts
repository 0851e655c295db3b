// What a client gets over HTTP/2 is what it gets over HTTP/1.1: status, headers, every byte; and the worker gets the same request.
import { request } from 'node:https'
import { buffer } from 'node:stream/consumers'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { call, connectHttp2 } from '../helpers/http2-client.ts'
import { bytes, startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import type { Answer, Recorded } from '../helpers/raw-worker.ts'
import { pem, startSecureRouter } from '../helpers/tls.ts'

const paths = ['/v1/chat/completions?a=%20&&b', '/v1/responses', '/tokenize', '/any/p%2Fath']
const everyByte = Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256))

const head = (status: string, ...lines: string[]): string => [`HTTP/1.1 ${status}`, ...lines, '', ''].join('\r\n')
const answers: ReadonlyArray<readonly [name: string, answer: Answer]> = [
  ['every byte', (_request, response) => { response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(everyByte) }],
  ['odd headers', bytes(Buffer.concat([Buffer.from(head(
    '218 This Is Fine', 'X-Custom-CASE: a  b', 'x-latin: h\xe9', 'Set-Cookie: a=1', 'Set-Cookie: b=2', 'Vary: a', 'Vary: b', 'Connection: x-mine', 'X-Mine: 1',
    'Keep-Alive: timeout=5', 'Date: Thu, 01 Jan 1970 00:00:00 GMT', 'X-Request-Id: of-the-worker', 'x-empty: ', 'constructor: c', 'Content-Length: 2'
  ), 'latin1'), Buffer.from('{}')]))],
  ['an error', (_request, response) => { response.writeHead(422, { 'content-type': 'application/json' }).end('{"error":{}}') }],
  ['no content', (_request, response) => { response.writeHead(204).end() }],
  ['not modified', (_request, response) => { response.writeHead(304, { etag: '"a"' }).end() }],
  ['a stream', (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    response.write('data: 1\n\nda')
    setImmediate(() => { response.end('ta: \xe9\n\ndata: [DONE]\n\n') })
  }],
  ['nothing', (_request, response) => { response.end() }]
]

t.test('the same', async t => {
  const worker = await startRawWorker(t)
  const { url } = await startSecureRouter(t, { workerUrls: [worker.url] })
  const session = await connectHttp2(t, url)
  const warnings: string[] = []
  const warn = ({ message }: Error): void => { warnings.push(message) }
  process.on('warning', warn)
  t.teardown(() => process.off('warning', warn))
  const asked = { 'content-type': 'application/json', 'x-request-id': 'mine', 'x-latin': 'h\xe9', authorization: 'Bearer a', accept: 'text/event-stream' }
  for (const path of paths) {
    for (const [name, answer] of answers) {
      worker.answer = answer
      const one = call(session, { ':method': 'POST', ':path': path, ...asked }, everyByte)
      const { status, headers, body, complete } = await one.answer
      const seen = worker.requests.pop()
      const other = request(url + path, { ca: pem('ca'), method: 'POST', agent: false, headers: { ...asked, 'content-length': everyByte.length } })
      other.end(everyByte)
      const [plain] = await once(other, 'response') as [IncomingMessage]
      const plainBody = await buffer(plain)
      const plainSeen = worker.requests.pop()

      t.equal(complete, true, `${path}, ${name}: complete`)
      t.equal(status, plain.statusCode, 'status')
      t.ok(body.equals(plainBody), 'body')
      const { ':status': _, ...names } = headers
      const { connection: _connection, 'transfer-encoding': _coding, 'keep-alive': _alive, ...plainNames } = plain.headers
      for (const map of [names, plainNames]) if (map.date !== 'Thu, 01 Jan 1970 00:00:00 GMT') delete map.date
      // HTTP/1.1 says so, an end of the stream needs no saying
      if (name === 'nothing') delete plainNames['content-length']
      if (name === 'nothing') delete names['content-length']
      t.strictSame(Object.fromEntries(Object.entries(names)), { ...plainNames }, 'headers')
      sameRequest(seen, plainSeen)
    }
  }
  t.same(warnings, [], 'Node warns of nothing')

  function sameRequest (seen: Recorded | undefined, plainSeen: Recorded | undefined): void {
    t.equal(seen?.method, 'POST')
    t.equal(seen?.url, plainSeen?.url)
    t.ok(seen?.body.equals(everyByte), 'the request\'s body')
    for (const name of ['content-type', 'x-request-id', 'x-latin', 'authorization', 'accept', 'content-length', 'host']) {
      t.same(valuesOf(seen?.rawHeaders ?? [], name), valuesOf(plainSeen?.rawHeaders ?? [], name), name)
    }
    t.notOk(seen?.rawHeaders.some(name => name.startsWith(':')), 'no pseudo-header')
  }
})

t.test('what HTTP/2 alone has', async t => {
  const worker = await startRawWorker(t)
  const { url } = await startSecureRouter(t, { workerUrls: [worker.url] })
  const session = await connectHttp2(t, url)
  for (const path of ['/v1/chat/completions', '/tokenize']) {
    await call(session, { ':method': 'POST', ':path': path, cookie: ['a=1', 'b=2', 'c=3'], te: 'trailers', expect: '100-continue' }, 'neither type nor length').answer
    const seen = worker.requests.pop()
    t.equal(seen?.body.toString(), 'neither type nor length', 'a body that was not announced')
    t.same(valuesOf(seen?.rawHeaders ?? [], 'cookie'), ['a=1; b=2; c=3'], 'one cookie header')
    for (const name of ['te', 'expect', 'transfer-encoding']) t.same(valuesOf(seen?.rawHeaders ?? [], name), [], name)

    worker.answer = bytes(head('200 OK', 'Content-Type: text/plain', 'Content-Type: text/html', 'Retry-After: 1', 'Retry-After: 2', 'Content-Length: 0'))
    const { status, headers } = await call(session, { ':method': 'POST', ':path': path }, '{}').answer
    t.match({ status, headers }, { status: 200, headers: { 'content-type': 'text/plain', 'retry-after': '1' } }, 'what cannot be said twice is said once')
    worker.requests.pop()
    worker.answer = (_request, response) => { response.end('{}') }
  }

  worker.answer = (_request, response) => { response.writeHead(200, { 'content-length': 5, 'x-a': 'b' }).end() }
  const { status, headers, body, complete } = await call(session, { ':method': 'HEAD', ':path': '/any/path' }).answer
  t.match([status, headers['x-a'], headers['content-length'], body.length, complete], [200, 'b', '5', 0, true], 'HEAD')
})

t.test('large bodies both ways', async t => {
  const size = 20 * 1024 * 1024
  const large = Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz')
  const worker = await startRawWorker(t, ({ body }, response) => { response.end(body) })
  const { url } = await startSecureRouter(t, { workerUrls: [worker.url] })
  const session = await connectHttp2(t, url)
  for (const path of ['/v1/completions', '/tokenize']) {
    const { status, body, complete } = await call(session, { ':method': 'POST', ':path': path, 'content-type': 'application/json' }, large).answer
    t.same([status, body.length, complete, body.equals(large)], [200, size, true, true], path)
    t.ok(worker.requests.pop()?.body.equals(large))
  }
})

t.test('HTTP/1.1 on the same port, and alone where HTTP/2 is switched off', async t => {
  const worker = await startRawWorker(t)
  for (const http2 of [true, false]) {
    const { url } = await startSecureRouter(t, { workerUrls: [worker.url] }, { http2 })
    for (const headers of [{}, { connection: 'upgrade', upgrade: 'websocket' }]) {
      const plain = request(url + '/v1/completions', { ca: pem('ca'), method: 'POST', agent: false, headers })
      plain.end('{}')
      const [response] = await once(plain, 'response') as [IncomingMessage]
      t.same([response.httpVersion, response.statusCode, (await buffer(response)).toString()], ['1.1', 200, '{}'])
    }
    const session = await connectHttp2(t, url).catch(() => undefined)
    t.equal(session?.alpnProtocol, http2 ? 'h2' : undefined)
  }
})
