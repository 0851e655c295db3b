// The body of a client that is refused is neither kept nor waited for: it gets its answer at once, may go on with its connection, and is cut when it does not end.
import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { dropUnreadBody } from '../../core/unread-body.ts'
import { open } from '../helpers/raw-client.ts'
import { startRawWorker } from '../helpers/raw-worker.ts'
import { startRouter } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const head = (length: number, token = 'x'): string => `POST /v1/chat/completions HTTP/1.1\r\nhost: router\r\nauthorization: Bearer ${token}\r\ncontent-length: ${length}\r\n\r\n`

t.test('the answer comes before the body, and the next request can follow it', async t => {
  const worker = await startRawWorker(t)
  let bodies = 0
  const { port } = await startRouter(t, {
    workerUrls: [worker.url],
    authenticate: ({ headers }) => headers.authorization === 'Bearer good' ? { name: 'me' } : null,
    extend (router) { router.addHook('preHandler', async () => { bodies++ }) }
  })
  const { socket, text } = open(port, Buffer.from(head(3_000_000)))
  t.teardown(() => socket.destroy())
  await until('the answer', () => text().includes('invalid_api_key'))
  t.match(text(), /^HTTP\/1\.1 401 /)
  const before = process.memoryUsage().rss
  for (let i = 0; i < 30; i++) if (!socket.write(Buffer.alloc(100_000))) await once(socket, 'drain')
  socket.write(head(2, 'good') + '{}')
  await until('the next answer', () => (text().match(/HTTP\/1\.1/g) ?? []).length === 2)
  t.match(text(), /HTTP\/1\.1 200 /)
  t.equal(bodies, 1)
  t.equal(worker.requests.length, 1)
  t.ok(process.memoryUsage().rss - before < 200_000_000)
})

t.test('a body that does not end is cut; one that does, and no body, are not', async t => {
  const server = createServer((request, response) => {
    dropUnreadBody(request, response, 100)
    response.writeHead(401).end('no')
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const cut: string[] = []
  const start = (name: string, bytes: string): void => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.on('error', () => {})
    socket.on('close', () => { cut.push(name) })
    socket.resume()
    t.teardown(() => socket.destroy())
  }
  start('none', 'GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  start('whole', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nwhole')
  start('part', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\npa')
  start('chunks', 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\npa\r\n')
  await until('two are cut', () => cut.length === 2)
  await new Promise(resolve => setTimeout(resolve, 200))
  t.same(cut.sort(), ['chunks', 'part'])
})
