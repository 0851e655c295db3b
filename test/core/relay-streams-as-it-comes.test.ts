// A stream's head goes out before its first event, and each event when it comes.
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
  const { port } = await router(t, worker.port)
  const client = dial(t, port, get)
  let text = ''
  client.on('data', piece => { text += piece.toString('latin1') })
  await until('the head', () => text.includes('text/event-stream'))
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    upstream?.write(chunk(event))
    await until(event, () => text.includes(event))
  }
  upstream?.write('0\r\n\r\n')
  await once(client, 'close')
  t.match(text, /\r\n0\r\n\r\n$/)
})
