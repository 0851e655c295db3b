// Request and answer pass byte for byte: path, header names, their case, order and repetition, and bodies of any bytes.
import t from 'tap'
import { ask, rawWorker, router } from './wire.ts'

const bytes = Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256)).toString('latin1')

t.test('request', async t => {
  let seen = ''
  const worker = await rawWorker(t, (socket, request) => {
    seen = request
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  })
  const { port } = await router(t, worker.port)
  await ask(t, port, 'POST /v1/x%2Fy?a=1&a=%20&&b HTTP/1.1\r\nHost: router\r\nX-One: 1\r\nx-Two: caf\xe9\r\nX-One: 2\r\nConnection: close, X-Hop\r\nX-HOP: 1\r\n' +
    `Content-TYPE: multipart/form-data; boundary="x"\r\nContent-Length: ${bytes.length}\r\n\r\n${bytes}`)
  const [head = '', ...rest] = seen.split('\r\n\r\n')
  t.equal(rest.join('\r\n\r\n'), bytes)
  t.same(head.split('\r\n'), [
    'POST /v1/x%2Fy?a=1&a=%20&&b HTTP/1.1', `host: 127.0.0.1:${worker.port}`, 'connection: keep-alive', 'X-One: 1', 'x-Two: caf\xe9', 'X-One: 2',
    'Content-TYPE: multipart/form-data; boundary="x"', 'x-request-id: r-1', `content-length: ${bytes.length}`
  ])
})

t.test('answer', async t => {
  const worker = await rawWorker(t, socket => {
    socket.write('HTTP/1.1 218 This Is fine\r\nX-B: 1\r\nSet-Cookie: a=1\r\nx-b: caf\xe9\r\nset-cookie: b=2\r\nDATE: then\r\nConnection: keep-alive, X-Hop\r\n' +
      `X-HOP: 1\r\nKeep-Alive: timeout=5\r\nX-Request-Id: its own\r\nProxy-Authenticate: no\r\nCONTENT-Length: ${bytes.length}\r\n\r\n${bytes}`, 'latin1')
  })
  const { port, calls } = await router(t, worker.port)
  const { head, body } = await ask(t, port, 'GET / HTTP/1.1\r\nHost: router\r\nConnection: close\r\n\r\n')
  t.same(head, [
    'HTTP/1.1 218 This Is fine', 'X-B: 1', 'Set-Cookie: a=1', 'x-b: caf\xe9', 'set-cookie: b=2', 'DATE: then', `CONTENT-Length: ${bytes.length}`,
    'x-request-id: r-1', 'Connection: close'
  ])
  t.equal(body, bytes)
  t.same([calls[0]?.exchange.end, calls[0]?.exchange.status, calls[0]?.settled], ['completed', 218, 1])
})

t.test('no body where there is none', async t => {
  const worker = await rawWorker(t, (socket, request) => {
    socket.write(request.startsWith('HEAD') ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n' : 'HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n')
  })
  const { port } = await router(t, worker.port)
  for (const [method, line] of [['HEAD', 'Content-Length: 5'], ['DELETE', 'X-A: 1']] as const) {
    const { head, body } = await ask(t, port, `${method} / HTTP/1.1\r\nHost: router\r\nConnection: close\r\n\r\n`)
    t.ok(head.includes(line), method)
    t.equal(body, '')
  }
})
