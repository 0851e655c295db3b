// An attempt that fails before its first byte is followed by the next; the client sees the bytes of one answer only, and each attempt is settled once.
import t from 'tap'
import type { Socket } from 'node:net'
import { deliver } from './delivering.ts'
import { ask, chunk, deadPort, get, rawWorker, sseHead, unchunked } from './wire.ts'

const good = (socket: Socket): void => { socket.write('HTTP/1.1 200 Fine\r\nX-Worker: 2\r\nContent-Length: 2\r\n\r\nok') }
const failures: ReadonlyArray<[name: string, answer: (socket: Socket) => void, end: string]> = [
  ['an error answer', socket => { socket.write('HTTP/1.1 503 Busy\r\nX-Worker: 1\r\nContent-Length: 4\r\n\r\nbusy') }, 'completed'],
  ['an error answer without a body', socket => { socket.write('HTTP/1.1 500 Oh\r\nX-Worker: 1\r\nContent-Length: 0\r\n\r\n') }, 'completed'],
  ['an error answer that breaks off', socket => { socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nbusy', () => socket.destroy()) }, 'broken'],
  ['a reset', socket => { socket.resetAndDestroy() }, 'failed'],
  ['what is not HTTP', socket => { socket.end('SSH-2.0\r\n') }, 'failed'],
  ['early hints and then nothing', socket => { socket.write('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n', () => socket.destroy()) }, 'failed'],
  ['a head of a stream and then nothing', socket => { socket.write(sseHead, () => socket.destroy()) }, 'broken'],
  ['a head with a length and then nothing', socket => { socket.write('HTTP/1.1 200 OK\r\nX-Worker: 1\r\nContent-Length: 5\r\n\r\n', () => socket.destroy()) }, 'broken']
]

for (const [name, answer, end] of failures) {
  t.test(name, async t => {
    const [one, two] = [await rawWorker(t, answer), await rawWorker(t, good)]
    const { port, requests } = await deliver(t, { origins: [`http://127.0.0.1:${one.port}`, `http://127.0.0.1:${two.port}`] })
    const { head, body } = await ask(t, port, get)
    t.match(head[0], 'HTTP/1.1 200 Fine')
    t.equal(body, 'ok')
    t.same(head.filter(line => /^x-worker/i.test(line)), ['X-Worker: 2'])
    t.same([requests[0]?.exchanges.map(exchange => exchange.end), requests[0]?.settled, requests[0]?.from], [[end, 'completed'], [1, 1], 1])
  })
}

t.test('nobody listens', async t => {
  const two = await rawWorker(t, good)
  const { port, requests } = await deliver(t, { origins: [`http://127.0.0.1:${await deadPort()}`, `http://127.0.0.1:${await deadPort()}`, `http://127.0.0.1:${two.port}`] })
  t.equal((await ask(t, port, get)).body, 'ok')
  t.same(requests[0]?.settled, [1, 1, 1])
})

t.test('never after the first byte', async t => {
  for (const head of [sseHead, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n']) {
    const [one, two] = [await rawWorker(t, socket => socket.write(head + chunk('a'), () => socket.destroy())), await rawWorker(t, good)]
    const { port, requests } = await deliver(t, { origins: [`http://127.0.0.1:${one.port}`, `http://127.0.0.1:${two.port}`] })
    const { body } = await ask(t, port, get)
    t.ok(unchunked(body).text.startsWith('a'))
    t.same([requests[0]?.settled, requests[0]?.setbacks, two.sockets.length], [[1], [], 0])
  }
})

t.test('an answer without a body goes out at its end', async t => {
  for (const [line, method] of [['204 No Content\r\n', 'GET'], ['200 OK\r\nContent-Length: 7\r\n', 'HEAD'], ['503 Busy\r\nContent-Length: 7\r\n', 'HEAD'], ['304 Same\r\n', 'GET']] as const) {
    const one = await rawWorker(t, socket => { socket.write(`HTTP/1.1 ${line}\r\n`) })
    const { port, requests } = await deliver(t, { origins: [`http://127.0.0.1:${one.port}`] })
    const { head, body } = await ask(t, port, get.replace('GET', method))
    t.equal(head[0], 'HTTP/1.1 ' + line.split('\r\n')[0])
    t.equal(body, '')
    t.same([requests[0]?.settled, requests[0]?.exchanges[0]?.end], [[1], 'completed'])
  }
})
