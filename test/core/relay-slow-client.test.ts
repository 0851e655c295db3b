// A client that does not read makes the worker wait; the router holds next to nothing for it.
import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { until } from '../helpers/until.ts'
import { dial, get, rawWorker, router } from './wire.ts'

const megabyte = 1024 * 1024
const size = 64 * megabyte

t.test('64 MB', async t => {
  const piece = Buffer.alloc(64 * 1024, 'x')
  let sent = 0
  function pour (socket: Socket): void {
    while (sent < size) {
      sent += piece.length
      if (!socket.write(piece)) {
        socket.once('drain', () => pour(socket))
        return
      }
    }
  }
  const worker = await rawWorker(t, socket => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
    pour(socket)
  })
  const { port, calls } = await router(t, worker.port)
  const client = dial(t, port, get)
  client.pause()
  // it stands still once every buffer of the system is full
  let last = -1
  let still = 0
  await until('the worker waits', () => {
    still = sent === last ? still + 1 : 0
    last = sent
    return sent > 0 && still > 50
  })
  t.ok(sent < size * 0.75, `the worker sent ${sent / megabyte} MB`)
  const held = calls[0]?.reply.writableLength ?? Infinity
  t.ok(held < megabyte, `the router holds ${held} bytes`)

  let received = 0
  client.on('data', piece => { received += piece.length })
  client.resume()
  await once(client, 'close')
  t.ok(received > size && received < size + 1000, 'the rest comes once the client reads')
  t.equal(calls[0]?.exchange.end, 'completed')
})

t.test('one that leaves while the worker waits', async t => {
  const worker = await rawWorker(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    const piece = `10000\r\n${'x'.repeat(65536)}\r\n`
    function pour (): void {
      while (!socket.destroyed && socket.write(piece));
      if (!socket.destroyed) socket.once('drain', pour)
    }
    pour()
  })
  const { port, calls } = await router(t, worker.port)
  const client = dial(t, port, get)
  client.pause()
  await until('the reply is full', () => calls[0]?.reply.writableNeedDrain === true)
  client.destroy()
  await until('the worker\'s connection ends', () => worker.sockets[0]?.destroyed === true)
  t.same([calls[0]?.exchange.end, calls[0]?.settled], ['client_gone', 1])
})
