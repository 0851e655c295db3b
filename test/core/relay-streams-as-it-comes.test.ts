// A stream's head waits for the first byte and goes out with it, and each event when it comes.
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { until } from '../helpers/until.ts'
import { chunk, dial, get, rawWorker, router, sseHead } from './wire.ts'

t.test('head, event, event, end', async t => {
  let upstream: Socket | undefined
  const worker = await rawWorker(t, socket => {
    upstream = socket
    socket.write(sseHead)
  })
  const { port, calls } = await router(t, worker.port)
  const client = dial(t, port, get)
  let text = ''
  client.on('data', piece => { text += piece.toString('latin1') })
  await until('the router has the head', () => calls[0]?.exchange.headAt !== undefined)
  t.equal(text, '', 'until the first byte another worker may answer')
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    upstream?.write(chunk(event))
    await until(event, () => text.includes(event))
    t.match(text, /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*content-type: text\/event-stream/i)
  }
  upstream?.write('0\r\n\r\n')
  await once(client, 'close')
  t.match(text, /\r\n0\r\n\r\n$/)
})
