// When every attempt failed, the client gets the last answer a worker gave, byte for byte; one too long to keep goes out as it comes.
import t from 'tap'
import { deliver } from './delivering.ts'
import { ask, deadPort, get, rawWorker } from './wire.ts'

const lines = ['HTTP/1.1 429 Slow down, please', 'X-One: 1', 'x-one: 2', 'Retry-After: 77', 'Content-Type: text/odd; a=b', 'X-Latin: gr\xfcn', 'Content-Length: 8']
const answer = lines.join('\r\n') + '\r\n\r\n{"a": 1}'

t.test('as it was', async t => {
  const last = await rawWorker(t, socket => { socket.write(answer, 'latin1') })
  const first = await rawWorker(t, socket => { socket.write('HTTP/1.1 500 First\r\nContent-Length: 5\r\n\r\nfirst') })
  const dead = `http://127.0.0.1:${await deadPort()}`
  for (const [name, origins, from] of [
    ['the last', [`http://127.0.0.1:${first.port}`, `http://127.0.0.1:${last.port}`], 1],
    ['an earlier one, where the last attempts brought none', [`http://127.0.0.1:${first.port}`, `http://127.0.0.1:${last.port}`, dead, dead], 1]
  ] as const) {
    const { port, requests } = await deliver(t, { origins })
    const { head, body } = await ask(t, port, get)
    t.same(head.filter(line => !/^(date|connection|keep-alive):/i.test(line)), lines, name)
    t.equal(body, '{"a": 1}')
    t.same([requests[0]?.from, requests[0]?.settled], [from, origins.map(() => 1)])
  }
})

t.test('too long to keep', async t => {
  const long = 'x'.repeat(65_536) + 'the end'
  const one = await rawWorker(t, socket => { socket.write(`HTTP/1.1 500 Long\r\nContent-Length: ${long.length}\r\n\r\n${long}`) })
  const { port, requests } = await deliver(t, { origins: [`http://127.0.0.1:${one.port}`, `http://127.0.0.1:${one.port}`] })
  const { head, body } = await ask(t, port, get)
  t.equal(head[0], 'HTTP/1.1 500 Long')
  t.equal(body, long)
  t.same([requests[0]?.settled, requests[0]?.setbacks], [[1], []], 'and no other attempt')
})

t.test('just short enough', async t => {
  const long = 'x'.repeat(65_536)
  const one = await rawWorker(t, socket => { socket.write(`HTTP/1.1 500 Long\r\nContent-Length: ${long.length}\r\n\r\n${long}`) })
  const { port, requests } = await deliver(t, { origins: [`http://127.0.0.1:${one.port}`, `http://127.0.0.1:${one.port}`] })
  t.equal((await ask(t, port, get)).body, long)
  t.same([requests[0]?.settled, requests[0]?.from], [[1, 1], 1])
})

t.test('nobody answered: the owner is told what went wrong last', async t => {
  const one = await rawWorker(t, socket => { socket.resetAndDestroy() })
  const { port, requests } = await deliver(t, { origins: [`http://127.0.0.1:${one.port}`, `http://127.0.0.1:${await deadPort()}`] })
  t.equal((await ask(t, port, get)).head[0], 'HTTP/1.1 502 Bad Gateway')
  t.match(requests[0]?.failure, { code: 'ECONNREFUSED' })
})
