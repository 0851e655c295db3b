// When the client leaves, the worker's connection is closed within 100 ms: before the head, and within the answer.
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { until } from '../helpers/until.ts'
import { chunk, dial, get, rawWorker, router, sseHead } from './wire.ts'

for (const [phase, answer] of [
  ['before the head', () => {}],
  ['after the head', (socket: Socket) => { socket.write(sseHead) }],
  ['within the stream', (socket: Socket) => { socket.write(sseHead + chunk('data: 1\n\n')) }],
  ['within an answer of known length', (socket: Socket) => { socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345') }]
] as const) {
  t.test(phase, async t => {
    let asked = 0
    const worker = await rawWorker(t, socket => {
      asked++
      answer(socket)
    })
    const { port, calls } = await router(t, worker.port)
    const times: number[] = []
    for (let i = 0; i < 5; i++) {
      const client = dial(t, port, get)
      client.resume()
      await until('the worker is asked', () => asked === i + 1)
      if (phase !== 'before the head') await until('the head', () => calls[i]?.exchange.status === 200)
      const upstream = worker.sockets.at(-1)
      if (upstream === undefined) throw new Error('no connection')
      const closed = once(upstream, 'close')
      const left = performance.now()
      client.destroy()
      await closed
      times.push(performance.now() - left)
    }
    // a busy machine may pause any one of them
    t.ok(Math.min(...times) < 100, times.map(time => time.toFixed(1)).join(' '))
    t.same(calls.map(call => [call.exchange.end, call.settled, call.exchange.error]), calls.map(() => ['client_gone', 1, undefined]))
  })
}

t.test('before a connection came about', async t => {
  let asked = 0
  const worker = await rawWorker(t, () => { asked++ })
  const { port, calls } = await router(t, worker.port, {}, call => call.exchange.abandon())
  const client = dial(t, port, get)
  client.resume()
  await until('the worker\'s connection ends', () => calls[0]?.failure !== undefined)
  await until('the connection came about, and ended', () => worker.sockets[0]?.closed === true)
  t.equal(asked, 0, 'the worker never saw the request')
  t.same([calls[0]?.exchange.end, calls[0]?.settled], ['client_gone', 1])
})
