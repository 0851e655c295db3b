// Every attempt sends the whole body as it came: a large one, an upload, and none.
import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'

const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

t.test('bodies', async t => {
  const worker = await startRawWorker(t)
  const { port } = await startRouter(t, { workerUrls: [worker.url], retryInitialBackoffMs: 1 })
  const large = Buffer.concat([Buffer.from('{"prompt":"'), Buffer.alloc(20_000_000, 'ab '), Buffer.from('"}')])
  const upload = Buffer.concat([Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'), randomBytes(300_000), Buffer.from('\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nraw\r\n--b--\r\n')])
  for (const [method, path, type, body] of [
    ['POST', '/v1/chat/completions', 'application/json', large], ['POST', '/tokenize', 'application/json', large],
    ['POST', '/v1/audio/transcriptions', 'multipart/form-data; boundary=b', upload], ['POST', '/any/path', 'multipart/form-data; boundary=b', upload],
    ['GET', '/any/path?a=%20b', undefined, undefined]
  ] as const) {
    worker.requests.length = 0
    worker.answer = (_request, response, socket) => {
      if (worker.requests.length === 1) response.writeHead(503).end()
      else if (worker.requests.length === 2) socket.resetAndDestroy()
      else response.end('well')
    }
    const got = await send(port, { method, path, ...(body === undefined ? {} : { body, headers: [['Content-Type', type]] }) })
    t.equal(got.body.toString(), 'well')
    t.same(worker.requests.map(request => [request.method, request.url, request.headers['content-type'], hash(request.body)]),
      Array.from({ length: 3 }, () => [method, path, type, hash(body ?? Buffer.alloc(0))]))
    const [one, ...others] = worker.requests.map(request => request.rawHeaders)
    for (const other of others) t.same(other, one, 'the same headers')
  }
})
