// Answers before the answer (103 Early Hints) are not taken for it.
import t from 'tap'
import { ask, get, rawWorker, router } from './wire.ts'

t.test('103, then 200', async t => {
  const worker = await rawWorker(t, socket => {
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const { port, calls } = await router(t, worker.port)
  const { head, body } = await ask(t, port, get)
  t.equal(head[0], 'HTTP/1.1 200 OK')
  t.equal(body, 'ok')
  t.notOk(head.some(line => line.startsWith('Link')))
  t.same([calls[0]?.exchange.status, calls[0]?.exchange.end], [200, 'completed'])
})
