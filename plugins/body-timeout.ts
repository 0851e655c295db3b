// Cuts off clients that fall silent within a request's body, or do not end one that nobody wants any more; how long a wanted body takes is theirs to decide.
import type { IncomingMessage } from 'node:http'
import fp from 'fastify-plugin'
import type { FastifyPluginCallback } from 'fastify'
import { systemClock } from '../core/clock.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { ClientBodyTimeoutError } from '../core/errors.ts'
import { http2Stream } from '../core/reply.ts'
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

const plugin: FastifyPluginCallback<BodyTimeoutOptions> = (fastify, given, done) => {
  const clock = given.clock ?? systemClock
  let limitSecs = given.clientBodyIdleTimeoutSecs ?? 60
  fastify.decorate('bodyTimeout', {
    configure (limits) { limitSecs = limits.clientBodyIdleTimeoutSecs ?? limitSecs }
  })
  // when the body is about to be read: what a client sends while it waits in a queue stays in its socket
  fastify.addHook('preParsing', (request, reply, payload, next) => {
    next(null, payload)
    const { raw } = request
    if (raw.complete || reply.sent) return
    const { socket } = raw
    const shared = http2Stream(reply.raw) !== undefined
    // over HTTP/1 a count that the socket keeps anyway: pieces of a body cost nothing here
    const received = shared ? pieceCount(raw) : () => socket.bytesRead
    const limitMs = limitSecs * 1000
    let seen = received()
    let heardAt = clock.now()
    let timer: Timer | undefined
    const look = (): void => {
      if (raw.complete || raw.destroyed || reply.sent) return
      const now = clock.now()
      const count = received()
      if (count !== seen) {
        seen = count
        heardAt = now
      } else if (now - heardAt >= limitMs) {
        if (!shared) reply.header('connection', 'close')
        // whoever reads the body gives up on it, and answers
        if (payload.listenerCount('error') > 0) payload.emit('error', new ClientBodyTimeoutError())
        else reply.send(new ClientBodyTimeoutError())
        return
      }
      timer = clock.after(limitMs / looks, look)
    }
    timer = clock.after(limitMs / looks, look)
    reply.raw.once('close', () => timer?.cancel())
    raw.once('end', () => timer?.cancel())
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
