// The smallest router that makes several attempts: each request goes to the targets in their order, with every account kept for the test.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { systemClock } from '../../core/clock.ts'
import type { Clock } from '../../core/clock.ts'
import { delivering, kDelivery } from '../../core/delivery.ts'
import type { Attempt, Delivery, ReadyAnswer, Rewrite, Setback } from '../../core/delivery.ts'
import { createTrafficAgent } from '../../core/dispatcher.ts'
import { Exchange } from '../../core/exchange.ts'
import { headersForWorker } from '../../core/headers.ts'
import { Relay } from '../../core/relay.ts'

/** One request as seen from inside. */
export interface Delivered {
  /** The attempts, in their order. */
  readonly exchanges: Exchange[]
  /** How often each attempt was settled. */
  readonly settled: number[]
  readonly setbacks: Setback[]
  /** Which attempt the client's answer came from. */
  from: number | undefined
  failure: Error | undefined
  /** Told while an attempt was being prepared. */
  stopped: Error | undefined
}

/** What happens between attempts. */
export interface Course {
  /** Origins, one an attempt; after the last there is no other. */
  readonly origins: readonly string[]
  /** Default 0: at once. */
  readonly pauseMs?: number
  /** Of each attempt. */
  readonly limitMs?: number
  readonly body?: Buffer
  readonly rewrite?: Rewrite
  readonly whole?: NonNullable<Delivery['whole']>
  /** Attempts are made when this resolves; what it brings is handed out in the place of an attempt. */
  readonly prepare?: (attempt: number) => Promise<ReadyAnswer | undefined>
}

/** Starts it; `course` may be changed by the test from request to request. */
export async function deliver (t: Test, course: Course, clock: Clock = systemClock): Promise<{ port: number, requests: Delivered[] }> {
  const agent = createTrafficAgent()
  const dispatcher = agent.compose(delivering(clock))
  const requests: Delivered[] = []
  const server = createServer((request, reply) => {
    const { origins, pauseMs = 0, limitMs, body, rewrite, whole, prepare } = course
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const delivered: Delivered = { exchanges: [], settled: [], setbacks: [], from: undefined, failure: undefined, stopped: undefined }
      requests.push(delivered)
      const { exchanges, settled, setbacks } = delivered
      let abort: (reason: Error) => void = () => {}
      reply.once('close', () => {
        if (reply.writableFinished) return
        exchanges.at(-1)?.abandon()
        abort(new Error('the client is gone'))
      })
      function attempt (): Attempt | undefined {
        const origin = origins[exchanges.length]
        if (origin === undefined) return undefined
        const at = settled.push(0) - 1
        const exchange = new Exchange(clock, { settled: () => { settled[at] = (settled[at] ?? 0) + 1 } })
        exchanges.push(exchange)
        return { origin, path: request.url ?? '/', headers: headersForWorker(request.rawHeaders, { requestId: 'r-1', rank: undefined, authorization: undefined }), exchange, limitMs, body, rewrite }
      }
      const delivery: Delivery = {
        next: () => prepare === undefined ? attempt() : prepare(exchanges.length).then(ready => ready ?? attempt()),
        pause (setback) {
          setbacks.push(setback)
          return exchanges.length < origins.length ? pauseMs : undefined
        },
        answered (_head, exchange) { delivered.from = exchanges.indexOf(exchange) },
        attach (given) { abort = given },
        stopped (reason) { delivered.stopped = reason },
        ...(whole === undefined ? {} : { whole })
      }
      const relay = new Relay(reply, {
        takeOver: () => [],
        lastWords: () => Buffer.from('data: broken\n\n'),
        failed (error) {
          delivered.failure = error
          if (!reply.destroyed) reply.writeHead(502).end()
        }
      })
      dispatcher.dispatch({
        origin: '', path: '/', method: request.method ?? 'GET', body: pieces.length === 0 ? null : Buffer.concat(pieces), [kDelivery]: delivery
      } as Parameters<typeof dispatcher.dispatch>[0], relay)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
    await agent.destroy()
  })
  return { port: (server.address() as AddressInfo).port, requests }
}
