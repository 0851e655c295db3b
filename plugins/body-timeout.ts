// Cuts off clients that fall silent within a request's body, or do not end one that nobody wants any more; how long a wanted body takes is theirs to decide.
import type { IncomingMessage } from 'node:http'
import fp from 'fastify-plugin'
import type { FastifyPluginCallback, FastifyReply, RequestPayload } from 'fastify'
import { systemClock } from '../core/clock.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { ClientBodyTimeoutError } from '../core/errors.ts'
import { InFlight } from '../core/in-flight.ts'
import { http2Stream } from '../core/reply.ts'
import { whenClosed } from '../core/reply-end.ts'
import { dropUnreadBody } from '../core/unread-body.ts'

/** Options of the body timeout plugin that may change while it runs. */
export interface BodyTimeoutLimits {
  /** Seconds a client may be silent while it sends a body. Default 60. */
  clientBodyIdleTimeoutSecs?: number
}

/** Options of the body timeout plugin. */
export interface BodyTimeoutOptions extends BodyTimeoutLimits {
  clock?: Clock
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly bodyTimeout: {
      /** Changes the limit while the router runs, for bodies that begin from now on. */
      configure (limits: BodyTimeoutLimits): void
    }
  }
}

/** A client that is answered before its body has come gets so long to finish it, so that it reads the answer and can use its connection again. */
const unreadBodyMs = 5000
/** A client is looked at so many times within the limit: it is cut by so much of it late at most. */
const looks = 4

/** Counts what comes of one request where many share a connection. It may not read before the one who reads the body does. */
function pieceCount (raw: IncomingMessage): () => number {
  let pieces = 0
  let counting = false
  return () => {
    if (!counting && raw.listenerCount('data') > 0) {
      counting = true
      raw.on('data', () => { pieces++ })
      // whoever has begun to read meanwhile was heard of
      pieces++
    }
    return pieces
  }
}

/** A request whose body is on its way. */
interface Body {
  readonly reply: FastifyReply
  /** What whoever reads the body reads. */
  readonly payload: RequestPayload
  /** Pieces of it; over HTTP/1 the bytes of its connection, which the socket counts anyway. */
  readonly pieces: (() => number) | undefined
  readonly limitMs: number
  seen: number
  heardAt: number
  over: () => void
}

/** Grows as long as something comes. */
function received ({ reply, pieces }: Body): number {
  return pieces === undefined ? reply.request.raw.socket.bytesRead : pieces()
}

/** Ends a request whose client has fallen silent. */
function giveUp ({ reply, payload, pieces }: Body): void {
  if (pieces === undefined) reply.header('connection', 'close')
  // whoever reads the body gives up on it, and answers
  if (payload.listenerCount('error') > 0) payload.emit('error', new ClientBodyTimeoutError())
  else reply.send(new ClientBodyTimeoutError())
}

const plugin: FastifyPluginCallback<BodyTimeoutOptions> = (fastify, given, done) => {
  const clock = given.clock ?? systemClock
  let limitSecs = given.clientBodyIdleTimeoutSecs ?? 60
  // one timer for all bodies: nearly all have come long before anybody looks
  const bodies = new InFlight<Body>()
  let timer: Timer | undefined
  function look (): void {
    const now = clock.now()
    for (const body of bodies) {
      const { raw } = body.reply.request
      const count = received(body)
      if (raw.complete || raw.destroyed || body.reply.sent) body.over()
      else if (count !== body.seen) {
        body.seen = count
        body.heardAt = now
      } else if (now - body.heardAt >= body.limitMs) {
        body.over()
        giveUp(body)
      }
    }
    timer = undefined
    lookAgain()
  }
  function lookAgain (): void {
    if (bodies.size > 0) timer ??= clock.after(limitSecs * 1000 / looks, look)
  }

  fastify.decorate('bodyTimeout', {
    configure (limits) {
      limitSecs = limits.clientBodyIdleTimeoutSecs ?? limitSecs
      timer?.cancel()
      timer = undefined
      lookAgain()
    }
  })
  fastify.addHook('onClose', (_instance, next) => {
    timer?.cancel()
    next()
  })
  // when the body is about to be read: what a client sends while it waits in a queue stays in its socket
  fastify.addHook('preParsing', (request, reply, payload, next) => {
    next(null, payload)
    const { raw } = request
    if (raw.complete || reply.sent) return
    const pieces = http2Stream(reply.raw) === undefined ? undefined : pieceCount(raw)
    const body: Body = { reply, payload, pieces, limitMs: limitSecs * 1000, seen: 0, heardAt: clock.now(), over: () => {} }
    body.seen = received(body)
    body.over = bodies.add(body)
    whenClosed(reply.raw, body.over)
    lookAgain()
  })
  // who is answered before the end of its body, or has nobody that reads it
  fastify.addHook('onSend', (request, reply, payload, next) => {
    if (!request.raw.complete) dropUnreadBody(request.raw, reply.raw, Math.min(limitSecs * 1000, unreadBodyMs))
    next(null, payload)
  })
  done()
}

/** Fastify plugin: a limit on silence within bodies, `fastify.bodyTimeout`. */
export const bodyTimeout: FastifyPluginCallback<BodyTimeoutOptions> = fp(plugin, { fastify: '5.x', name: 'vllm-router-body-timeout' })
export default bodyTimeout
