// A worker and a client that speak raw bytes, and between them the smallest router: one exchange and one relay a request.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { connect, createServer as createListener } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Test } from 'tap'
import { systemClock } from '../../core/clock.ts'
import { delivering, kDelivery } from '../../core/delivery.ts'
import type { Delivery } from '../../core/delivery.ts'
import { createTrafficAgent } from '../../core/dispatcher.ts'
import type { DispatcherOptions } from '../../core/dispatcher.ts'
import { Exchange } from '../../core/exchange.ts'
import { headersForWorker } from '../../core/headers.ts'
import { Relay } from '../../core/relay.ts'
import { errorEvent, SseBoundary } from '../../openai/sse.ts'

async function listening (server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

/** A port where nobody listens any more. */
export async function deadPort (): Promise<number> {
  const server = createListener()
  const port = await listening(server)
  server.close()
  await once(server, 'close')
  return port
}

/** A worker that answers each request (head and body, as Latin-1) with whatever `answer` writes. */
export async function rawWorker (t: Test, answer: (socket: Socket, request: string) => void): Promise<{ port: number, sockets: Socket[] }> {
  const sockets: Socket[] = []
  const server = createListener(socket => {
    sockets.push(socket)
    let text = ''
    socket.on('error', () => {})
    socket.on('data', chunk => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const length = end + 4 + Number(/\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1] ?? 0)
        if (text.length < length) return
        const request = text.slice(0, length)
        text = text.slice(length)
        answer(socket, request)
      }
    })
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: await listening(server), sockets }
}

/** One call through the router, as it looked from inside. */
export interface Passed {
  readonly exchange: Exchange
  readonly reply: ServerResponse
  failure: Error | undefined
  settled: number
}

/** A router before one worker; `began` is told of each call once it is on its way. */
export async function router (t: Test, workerPort: number, options: DispatcherOptions = {}, began?: (call: Passed) => void): Promise<{ port: number, calls: Passed[] }> {
  const agent = createTrafficAgent(options)
  const dispatcher = agent.compose(delivering(systemClock))
  const calls: Passed[] = []
  const server = createServer((request, reply) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const boundary = new SseBoundary()
      const call: Passed = { exchange: new Exchange(systemClock, { chunk: (_exchange, chunk) => boundary.push(chunk), settled: () => { call.settled++ } }), reply, failure: undefined, settled: 0 }
      calls.push(call)
      reply.once('close', () => { if (!reply.writableFinished) call.exchange.abandon() })
      const relay = new Relay(reply, {
        takeOver: () => ['x-request-id', 'r-1'],
        lastWords: () => errorEvent({ error: 'broken' }, boundary.atBoundary),
        failed (error) {
          call.failure = error
          if (!reply.destroyed) reply.writeHead(502).end()
        }
      })
      const delivery: Delivery = {
        next: () => ({
          origin: `http://127.0.0.1:${workerPort}`,
          path: request.url ?? '/',
          headers: headersForWorker(request.rawHeaders, { requestId: 'r-1', rank: undefined, authorization: undefined }),
          exchange: call.exchange,
          limitMs: undefined
        }),
        pause: () => undefined,
        answered () {},
        attach () {}
      }
      dispatcher.dispatch({
        origin: '',
        path: '/',
        method: request.method ?? 'GET',
        body: pieces.length === 0 ? null : Buffer.concat(pieces),
        [kDelivery]: delivery
      } as Parameters<typeof dispatcher.dispatch>[0], relay)
      began?.(call)
    })
  })
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
    await agent.destroy()
  })
  return { port: await listening(server), calls }
}

/** Opens a connection and sends `text`; what comes back is left to the caller. */
export function dial (t: Test, port: number, text: string): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(text, 'latin1')
  t.teardown(() => socket.destroy())
  return socket
}

/** What a client got until its connection ended, and whether that was by a reset. */
export interface Received {
  readonly text: string
  readonly head: string[]
  readonly body: string
  readonly reset: boolean
}

/** Sends `text` and reads to the end of the connection. */
export async function ask (t: Test, port: number, text: string): Promise<Received> {
  const socket = dial(t, port, text)
  const pieces: Buffer[] = []
  let reset = false
  socket.on('data', piece => pieces.push(piece))
  socket.on('error', error => { reset = 'code' in error && error.code === 'ECONNRESET' })
  await new Promise(resolve => socket.once('close', resolve))
  const all = Buffer.concat(pieces).toString('latin1')
  const end = all.indexOf('\r\n\r\n')
  return { text: all, head: all.slice(0, end).split('\r\n'), body: all.slice(end + 4), reset }
}

/** A body in chunks, as one text, and whether its last chunk came. */
export function unchunked (body: string): { text: string, complete: boolean } {
  let text = ''
  let at = 0
  while (true) {
    const line = body.indexOf('\r\n', at)
    if (line === -1) return { text, complete: false }
    const size = parseInt(body.slice(at, line), 16)
    if (size === 0) return { text, complete: body.slice(line) === '\r\n\r\n' }
    text += body.slice(line + 2, line + 2 + size)
    at = line + 2 + size + 2
  }
}

/** One chunk of a chunked body. */
export function chunk (text: string): string {
  return `${Buffer.byteLength(text, 'latin1').toString(16)}\r\n${text}\r\n`
}

export const get = 'GET /v1/x HTTP/1.1\r\nHost: router\r\nConnection: close\r\n\r\n'
export const oldGet = 'GET /v1/x HTTP/1.0\r\n\r\n'
export const sseHead = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n'
