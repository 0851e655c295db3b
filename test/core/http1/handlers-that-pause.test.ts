// A handler that has had enough for now gets nothing until it wants more, loses nothing, and makes the worker wait; over TCP and over TLS.
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:tls'
import t from 'tap'
import type { Test } from 'tap'
import { buildConnector } from 'undici'
import type { Http1Agent } from '../../../core/http1/agent.ts'
import { onread } from '../../../core/http1/connection.ts'
import { pem } from '../../helpers/tls.ts'
import { until } from '../../helpers/until.ts'
import { rawWorker } from '../wire.ts'
import { ask, startAgent } from './asking.ts'

interface Side {
  readonly agent: Http1Agent
  readonly origin: string
  readonly sockets: Socket[]
}

/** A worker that answers each request as told, and an agent for it. */
type Start = (t: Test, answer: (socket: Socket) => void) => Promise<Side>

const overTcp: Start = async (t, answer) => {
  const { port, sockets } = await rawWorker(t, answer)
  return { agent: startAgent(t), origin: `http://127.0.0.1:${port}`, sockets }
}

const overTls: Start = async (t, answer) => {
  const sockets: Socket[] = []
  const server = createServer({ cert: pem('server'), key: pem('server-key') }, socket => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', () => answer(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const agent = startAgent(t, { connect: buildConnector({ ca: pem('ca'), timeout: 10_000, onread }) })
  return { agent, origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

const size = 8 * 1024 * 1024
const bytes = Buffer.alloc(size)
for (let i = 0; i < size; i++) bytes[i] = (i * 31) >> 3 & 255

/** Large and small chunks in turn. */
function inChunks (): Buffer {
  const parts: Buffer[] = [Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')]
  for (let at = 0, i = 0; at < size; i++) {
    const chunk = bytes.subarray(at, at + (i % 3 === 0 ? 100_000 : i % 3 === 1 ? 100 : 1))
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'))
    at += chunk.length
  }
  return Buffer.concat([...parts, Buffer.from('0\r\nX-A: 1\r\n\r\n')])
}

for (const [transport, start] of [['TCP', overTcp], ['TLS', overTls]] as const) {
  for (const [framing, answer] of [
    ['a length', Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`), bytes])],
    ['chunks', inChunks()],
    ['the end of the connection', Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), bytes])]
  ] as const) {
    t.test(`${transport}, ${framing}: pauses at every piece, now and later`, async t => {
      const { agent, origin } = await start(t, socket => {
        socket.write(answer)
        if (framing === 'the end of the connection') socket.end()
      })
      let paused = false
      let wrong = 0
      const asked = ask(agent, 0, { origin }, {
        data (controller, _piece, { pieces }) {
          if (paused) wrong++
          controller.pause()
          controller.pause()
          paused = true
          const resume = (): void => {
            paused = false
            controller.resume()
          }
          // within the call, soon, or later
          if (pieces.length % 3 === 0) resume()
          else if (pieces.length % 3 === 1) setImmediate(resume)
          else setTimeout(resume, 1)
        }
      })
      await asked.over
      t.same([asked.error, wrong, asked.told.at(-1)], [undefined, 0, 'end'])
      t.equal(Buffer.concat(asked.pieces).compare(bytes), 0)
      if (framing === 'chunks') t.same(asked.trailers, ['X-A', '1'])
    })
  }

  t.test(`${transport}: the worker waits, and next to nothing is held`, async t => {
    let sent = 0
    const { agent, origin } = await start(t, socket => {
      const piece = Buffer.alloc(65_536)
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${1024 * piece.length}\r\n\r\n`)
      const pour = (): void => {
        while (sent < 1024) {
          sent++
          if (!socket.write(piece)) {
            socket.once('drain', pour)
            return
          }
        }
      }
      pour()
    })
    const asked = ask(agent, 0, { origin }, { data: (controller, _piece, { pieces }) => { if (pieces.length === 3) controller.pause() } })
    let last = -1
    let still = 0
    await until('the worker waits', () => {
      still = sent === last ? still + 1 : 0
      last = sent
      return asked.pieces.length === 3 && still > 50
    })
    t.ok(sent < 800, `${sent} of 1024 pieces were sent`)
    t.equal(asked.pieces.length, 3)
    asked.controller?.resume()
    await asked.over
    t.equal(asked.pieces.reduce((sum, piece) => sum + piece.length, 0), 1024 * 65_536)
  })

  for (const [name, answer] of [
    ['an answer that came whole', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'],
    ['chunks that came whole', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n']
  ] as const) {
    t.test(`${transport}, ${name}: body and end wait, and the connection is used again`, async t => {
      const { agent, origin, sockets } = await start(t, socket => { socket.write(answer) })
      for (const when of ['head', 'data', 'start'] as const) {
        const asked = ask(agent, 0, { origin }, { [when]: (controller: { pause (): void }) => { controller.pause() } })
        await until('it came', () => asked.told.includes(when === 'start' ? 'start' : 'head'))
        await new Promise(resolve => { setTimeout(resolve, 30) })
        t.same(asked.told, when === 'start' ? ['start'] : when === 'head' ? ['start', 'head'] : ['start', 'head', 5])
        asked.controller?.resume()
        await asked.over
        t.same(asked.told, ['start', 'head', 5, 'end'])
      }
      t.equal(sockets.length, 1)
    })
  }

  t.test(`${transport}: a worker that ends while its answer is held back has answered`, async t => {
    const { agent, origin } = await start(t, socket => { socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello') })
    const asked = ask(agent, 0, { origin }, { head: controller => controller.pause() })
    await until('the head', () => asked.told.includes('head'))
    await new Promise(resolve => { setTimeout(resolve, 50) })
    asked.controller?.resume()
    await asked.over
    t.same(asked.told, ['start', 'head', 5, 'end'])
  })

  t.test(`${transport}: a handler that pauses between two reads`, async t => {
    let upstream: Socket | undefined
    const { agent, origin } = await start(t, socket => {
      upstream = socket
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n')
    })
    const asked = ask(agent, 0, { origin })
    await until('the first piece', () => asked.pieces.length === 1)
    asked.controller?.pause()
    upstream?.write('1\r\nb\r\n')
    await new Promise(resolve => { setTimeout(resolve, 50) })
    t.equal(asked.body, 'a')
    asked.controller?.resume()
    await until('the second piece', () => asked.pieces.length === 2)
    upstream?.write('0\r\n\r\n')
    await asked.over
    t.equal(asked.body, 'ab')
  })
}
