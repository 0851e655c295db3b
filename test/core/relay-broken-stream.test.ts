// An event stream that breaks off ends with an error event, and as a stream that is complete for HTTP.
import t from 'tap'
import type { Socket } from 'node:net'
import { ask, chunk, get, oldGet, rawWorker, router, sseHead, unchunked } from './wire.ts'

const lastWords = 'data: {"error":"broken"}\n\n'

function breaking (text: string): (socket: Socket) => void {
  return socket => socket.write(sseHead + chunk(text), () => socket.destroy())
}

for (const [where, text, gap] of [
  ['between two events', 'data: 1\n\n', ''],
  ['between two events (CR LF)', 'data: 1\r\n\r\n', ''],
  ['within an event', 'data: {"a', '\n\n'],
  ['after the line of an event', 'data: 1\n', '\n\n']
] as const) {
  t.test(where, async t => {
    const worker = await rawWorker(t, breaking(text))
    const { port, calls } = await router(t, worker.port)
    const { body } = await ask(t, port, get)
    t.same(unchunked(body), { text: text + gap + lastWords, complete: true })
    t.same([calls[0]?.exchange.end, calls[0]?.settled, calls[0]?.failure], ['broken', 1, undefined])
  })
}

t.test('before the first event: its head was held back, so that the owner may still answer anything', async t => {
  const worker = await rawWorker(t, socket => socket.write(sseHead, () => socket.destroy()))
  const { port, calls } = await router(t, worker.port)
  const { head, body } = await ask(t, port, get)
  t.equal(head[0], 'HTTP/1.1 502 Bad Gateway')
  t.notMatch(head.join(), /event-stream/i)
  t.same(unchunked(body), { text: '', complete: true })
  t.same([calls[0]?.exchange.end, calls[0]?.settled], ['broken', 1])
  t.ok(calls[0]?.failure)
})

t.test('to a client of HTTP/1.0', async t => {
  const worker = await rawWorker(t, breaking('data: 1\n\n'))
  const { port } = await router(t, worker.port)
  t.equal((await ask(t, port, oldGet)).body, 'data: 1\n\n' + lastWords)
})

t.test('whatever the case of its type', async t => {
  const worker = await rawWorker(t, socket => socket.write(sseHead.replace('text/event-stream', 'Text/Event-Stream') + chunk('data: 1\n\n'), () => socket.destroy()))
  const { port } = await router(t, worker.port)
  t.same(unchunked((await ask(t, port, get)).body), { text: 'data: 1\n\n' + lastWords, complete: true })
})

t.test('one that announced its length is cut: the event would not fit into it', async t => {
  const worker = await rawWorker(t, socket => socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 20\r\n\r\ndata: 1\n\n', () => socket.destroy()))
  const { port, calls } = await router(t, worker.port)
  const { body } = await ask(t, port, get)
  t.equal(body, 'data: 1\n\n')
  t.equal(calls[0]?.exchange.end, 'broken')
})

t.test('one that is compressed is cut: nothing in clear can be added to it', async t => {
  const worker = await rawWorker(t, socket => socket.write(sseHead.replace('OK\r\n', 'OK\r\nContent-Encoding: gzip\r\n') + chunk('zip'), () => socket.destroy()))
  const { port } = await router(t, worker.port)
  t.same(unchunked((await ask(t, port, get)).body), { text: 'zip', complete: false })
})
