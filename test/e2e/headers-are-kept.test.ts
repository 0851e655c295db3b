// Headers pass both ways with their case, order and repetitions; those of one connection do not, and Host is the worker's.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { bytes, startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

const paths = ['/v1/chat/completions', '/v1/responses', '/tokenize', '/any/path']

t.test('to the worker', async t => {
  const worker = await startRawWorker(t)
  const { port } = await startRouter(t, { workerUrls: [worker.url] })
  const kept: Array<[string, string]> = [
    ['X-Custom-CASE', 'Value  with  spaces'], ['x-custom-case', 'again'], ['Cookie', 'a=1; b=2'], ['Accept', 'text/event-stream'], ['Accept-Encoding', 'gzip, br'],
    ['x-latin', 'h\xe9'], ['Content-TYPE', 'application/json ; x="y"'], ['Authorization', 'Bearer secret'], ['User-Agent', 'tést'.replace('é', '\xe9')],
    ['X-Forwarded-For', '10.0.0.1'], ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'], ['x-empty', ''], ['Content-Encoding', 'identity'], ['Range', 'bytes=0-1']
  ]
  const dropped: Array<[string, string]> = [
    ['Connection', 'x-mine, x-YOURS'], ['X-Mine', '1'], ['x-yours', '2'], ['Keep-Alive', 'timeout=5'], ['Proxy-Authorization', 'Basic x'], ['TE', 'trailers'], ['Upgrade', 'h2c'],
    ['HTTP2-Settings', 'x'], ['Proxy-Connection', 'close'], ['X-Vllm-Router-Explain', '1']
  ]
  for (const path of paths) {
    for (const body of ['{}', undefined]) {
      await send(port, { path, headers: [...kept, ...dropped], ...(body === undefined ? {} : { body }) })
      const seen = worker.requests.pop()?.rawHeaders ?? []
      const pairs = seen.flatMap((name, at) => at % 2 === 0 ? [[name, seen[at + 1]]] : [])
      t.same(pairs.filter(([name]) => kept.some(([wanted]) => wanted === name)), kept, `${path}: as they were`)
      t.same(valuesOf(seen, 'host'), [worker.host])
      for (const [name, value] of dropped) t.notOk(valuesOf(seen, name.toLowerCase()).includes(value), `${path}: ${name}`)
      t.equal(valuesOf(seen, 'x-request-id').length, 1)
      t.same(valuesOf(seen, 'content-length'), [String(body?.length ?? 0)])
    }
  }
})

t.test('to the client', async t => {
  const worker = await startRawWorker(t)
  const { port } = await startRouter(t, { workerUrls: [worker.url] })
  const kept = [
    'Set-Cookie: a=1; Path=/', 'Set-Cookie: b=2', 'X-Twice: 1', 'X-Twice: 2', 'Cache-Control: no-cache', 'X-Latin: h\xe9', 'Vary: a', 'Vary: b', 'Server: uvicorn', 'Date: Thu, 01 Jan 1970 00:00:00 GMT',
    'WWW-Authenticate: Basic', 'WWW-Authenticate: Bearer', 'x-empty: ', 'Retry-After: 7', 'Location: http://elsewhere.example/x'
  ]
  const dropped = ['Connection: x-mine', 'X-Mine: 1', 'Keep-Alive: timeout=5', 'Proxy-Authenticate: x', 'Trailer: x-t', 'X-Request-Id: of-the-worker']
  for (const path of paths) {
    for (const type of ['application/json', 'text/event-stream']) {
      worker.answer = bytes(Buffer.from(['HTTP/1.1 200 OK', ...kept, ...dropped, `Content-Type: ${type}`, 'Content-Length: 2', '', '{}'].join('\r\n'), 'latin1'))
      const { headers } = await send(port, { path, body: '{}', headers: [['x-request-id', 'mine']] })
      for (const line of kept) {
        const name = line.slice(0, line.indexOf(':')).toLowerCase()
        t.same(valuesOf(headers, name), kept.filter(other => other.toLowerCase().startsWith(name + ':')).map(other => other.slice(other.indexOf(':') + 1).trim()), `${path}: ${name}`)
      }
      for (const name of ['x-mine', 'keep-alive', 'proxy-authenticate', 'trailer']) t.same(valuesOf(headers, name), [], `${path}: ${name}`)
      t.same(valuesOf(headers, 'connection'), ['close'])
      t.same(valuesOf(headers, 'x-request-id'), ['mine'])
    }
  }
})
