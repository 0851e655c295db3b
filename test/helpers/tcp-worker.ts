// A worker made of sockets: reads requests by their length and answers with the bytes it is told to, on a connection that stays.
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'

/** A worker that no HTTP library keeps from saying what it likes. */
export interface TcpWorker {
  readonly url: string
  /** The request lines of the traffic, oldest first. */
  readonly requests: string[]
  /** What it answers. */
  answer: Buffer
}

const models = '{"object":"list","data":[{"id":"tcp","object":"model"}]}'

/** Starts a worker on a free port that ends with the test. */
export async function startTcpWorker (t: Test): Promise<TcpWorker> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    let read = ''
    socket.on('data', chunk => {
      read += chunk.toString('latin1')
      for (let end = read.indexOf('\r\n\r\n'); end !== -1; end = read.indexOf('\r\n\r\n')) {
        const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(read.slice(0, end + 2))?.[1] ?? 0)
        if (read.length < end + 4 + length) return
        const [line = ''] = read.split('\r\n', 1)
        read = read.slice(end + 4 + length)
        if (/^GET \/(?:health|v1\/models) /.test(line)) {
          socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${models.length}\r\n\r\n${models}`)
        } else {
          worker.requests.push(line)
          socket.write(worker.answer)
        }
      }
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const worker: TcpWorker = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests: [], answer: Buffer.alloc(0) }
  t.teardown(() => new Promise(resolve => {
    server.close(resolve)
    for (const socket of sockets) socket.destroy()
  }))
  return worker
}
