// A client that leaves ends its request in whatever phase it is: the worker's connection closes at once, each attempt is settled once, no other follows.
import t from 'tap'
import type { Socket } from 'node:net'
import { ManualClock } from '../helpers/manual-clock.ts'
import { until } from '../helpers/until.ts'
import { deliver } from './delivering.ts'
import { chunk, dial, get, rawWorker, sseHead } from './wire.ts'

const busy = 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy'
const phases: ReadonlyArray<[name: string, text: string, end: string, scheme?: string, pauseMs?: number]> = [
  // TLS to a server that does not speak it: the connection never comes about
  ['while the connection is made', '', 'client_gone', 'https'],
  ['before the head', '', 'client_gone'],
  ['while the head is held', sseHead, 'client_gone'],
  ['while an error answer is read', busy.slice(0, -2), 'client_gone'],
  ['within the answer', sseHead + chunk('data: 1\n\n'), 'client_gone'],
  ['while the next attempt is waited for', busy, 'completed', 'http', 60_000]
]

for (const [name, text, end, scheme = 'http', pauseMs = 0] of phases) {
  t.test(name, async t => {
    const clock = new ManualClock()
    let closed = 0
    let arrived = 0
    const worker = await rawWorker(t, (socket: Socket) => {
      arrived++
      socket.once('close', () => { closed++ })
      socket.write(text)
    })
    const other = await rawWorker(t, socket => { socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n') })
    const { port, requests } = await deliver(t, { origins: [`${scheme}://127.0.0.1:${worker.port}`, `http://127.0.0.1:${other.port}`], pauseMs }, clock)
    const client = dial(t, port, get)
    await until('under way', () => {
      const exchange = requests[0]?.exchanges[0]
      if (exchange === undefined) return false
      if (scheme === 'https') return worker.sockets.length === 1
      if (name === 'within the answer') return exchange.firstByteAt !== undefined
      return arrived === 1 && (text === '' || exchange.headAt !== undefined) && (pauseMs === 0 || exchange.end !== undefined)
    })
    const left = performance.now()
    client.destroy()
    await until('settled', () => requests[0]?.failure !== undefined || (name === 'within the answer' && requests[0]?.settled[0] === 1))
    if (scheme === 'http' && pauseMs === 0) {
      await until('the worker knows', () => closed === 1)
      t.ok(performance.now() - left < 100, 'at once')
    }
    t.equal(clock.pending, 0)
    await clock.advance(120_000)
    t.same(requests[0]?.exchanges.map(exchange => exchange.end), [end])
    t.same(requests[0]?.settled, [1])
    t.equal(other.sockets.length, 0, 'no other attempt')
  })
}
