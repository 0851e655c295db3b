// A slow client slows the attempt that answers it, also where that is not the first; every byte arrives.
import { once } from 'node:events'
import t from 'tap'
import { until } from '../helpers/until.ts'
import { deliver } from './delivering.ts'
import { dial, get, rawWorker } from './wire.ts'

t.test('the second attempt', async t => {
  const total = 40_000_000
  let written = 0
  const one = await rawWorker(t, socket => { socket.write('HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy') })
  const two = await rawWorker(t, socket => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`)
    const piece = Buffer.alloc(100_000, 'x')
    const more = (): void => {
      while (written < total) {
        written += piece.length
        if (!socket.write(piece)) {
          socket.once('drain', more)
          return
        }
      }
    }
    more()
  })
  const { port, requests } = await deliver(t, { origins: [`http://127.0.0.1:${one.port}`, `http://127.0.0.1:${two.port}`] })
  const client = dial(t, port, get)
  client.pause()
  let before = -1
  await until('nothing moves', async () => {
    const still = written > 0 && written === before
    before = written
    await new Promise(resolve => setTimeout(resolve, 50))
    return still
  })
  t.ok(written < total / 2, `${written} of ${total} left the worker`)
  let got = 0
  client.on('data', piece => { got += piece.length })
  client.resume()
  await once(client, 'close')
  t.ok(got > total)
  t.same(requests[0]?.settled, [1, 1])
  t.equal(requests[0]?.exchanges[1]?.end, 'completed')
})
