// An attempt whose first byte does not come in time is stopped, in whatever phase it is, and followed by the next; a flowing answer is not.
import t from 'tap'
import { until } from '../helpers/until.ts'
import { deliver } from './delivering.ts'
import { ask, chunk, get, rawWorker, sseHead, unchunked } from './wire.ts'

for (const [name, text, scheme] of [
  ['while the connection is made', '', 'https'],
  ['before the head', '', 'http'],
  ['after the head', sseHead, 'http'],
  ['within an error answer', 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbu', 'http']
] as const) {
  t.test(name, async t => {
    const worker = await rawWorker(t, socket => { socket.write(text) })
    const other = await rawWorker(t, socket => { socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok') })
    const { port, requests } = await deliver(t, { origins: [`${scheme}://127.0.0.1:${worker.port}`, `http://127.0.0.1:${other.port}`], limitMs: 60 })
    const began = performance.now()
    t.equal((await ask(t, port, get)).body, 'ok')
    t.ok(performance.now() - began >= 59)
    t.match(requests[0]?.setbacks, [{ kind: 'failed', error: { code: 'FIRST_BYTE_TIMEOUT' } }])
    t.same(requests[0]?.settled, [1, 1])
    if (scheme === 'http') await until('the worker knows', () => worker.sockets.every(socket => socket.destroyed))
  })
}

t.test('an answer that flows', async t => {
  let count = 0
  const worker = await rawWorker(t, socket => {
    socket.write(sseHead)
    const timer = setInterval(() => {
      socket.write(count++ < 6 ? chunk(`data: ${count}\n\n`) : '0\r\n\r\n')
      if (count > 6) clearInterval(timer)
    }, 20)
  })
  const { port, requests } = await deliver(t, { origins: [`http://127.0.0.1:${worker.port}`], limitMs: 60 })
  const { body } = await ask(t, port, get)
  t.same(unchunked(body), { text: [1, 2, 3, 4, 5, 6].map(n => `data: ${n}\n\n`).join(''), complete: true })
  t.same(requests[0]?.settled, [1])
})
