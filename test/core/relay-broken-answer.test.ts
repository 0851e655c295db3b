// Any other answer that breaks off is cut, so that no client takes what came for the whole.
import t from 'tap'
import { ask, chunk, get, oldGet, rawWorker, router, unchunked } from './wire.ts'

const chunked = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n' + chunk('{"a":')

t.test('in chunks', async t => {
  const worker = await rawWorker(t, socket => socket.write(chunked, () => socket.destroy()))
  const { port, calls } = await router(t, worker.port)
  t.same(unchunked((await ask(t, port, get)).body), { text: '{"a":', complete: false })
  t.same([calls[0]?.exchange.end, calls[0]?.settled, calls[0]?.failure], ['broken', 1, undefined])
})

t.test('of a known length', async t => {
  const worker = await rawWorker(t, socket => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345', () => socket.destroy()))
  const { port, calls } = await router(t, worker.port)
  const { head, body } = await ask(t, port, get)
  t.ok(head.includes('Content-Length: 10'))
  t.equal(body, '12345')
  t.equal(calls[0]?.exchange.end, 'broken')
})

t.test('to a client of HTTP/1.0, for whom the end of the connection is the end of the answer', async t => {
  const worker = await rawWorker(t, socket => socket.write(chunked, () => socket.destroy()))
  const { port } = await router(t, worker.port)
  t.equal((await ask(t, port, oldGet)).reset, true)

  const whole = await rawWorker(t, socket => { socket.write(chunked + '0\r\n\r\n') })
  const other = await router(t, whole.port)
  const { body, reset } = await ask(t, other.port, oldGet)
  t.same([body, reset], ['{"a":', false])
})
