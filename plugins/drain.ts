// Lets a server end well: tells everybody that it will, closes connections as soon as they are idle, and ends what does not end by itself.
import { Server } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2Server } from 'node:http2'
import { Server as SecureServer } from 'node:https'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import { ShuttingDownError } from '../core/errors.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** True from `drain()` on, or else from the moment the server began to close. */
    readonly draining: boolean
    /**
     * Says that the server will close: `/readiness` is 503 and every answer the last one on its connection, while requests are
     * taken as before. Closing is the application's own: `close()`.
     */
    drain (): void
    /**
     * Ends every request of this router that has not ended: 503 where no answer has begun, an error event at the end of a
     * stream, a cut elsewhere. Returns how many there were.
     */
    endRequests (): number
  }
}

/** Milliseconds a client gets to finish the head of a request that had begun when the server closes. */
const headGraceMs = 1000

const plugin: FastifyPluginAsync = async fastify => {
  let draining = false
  let closing = false
  let grace: NodeJS.Timeout | undefined
  const server: Server | Http2Server = fastify.server
  const sockets = new Set<Socket>()
  /** The sockets as requests know them; over HTTP/2 many requests share one. */
  const clients = new Set<Socket>()
  const kind: unknown = server
  const clientEvent = kind instanceof Server ? 'connection' : kind instanceof SecureServer ? 'secureConnection' : undefined
  /** Answers under way on the whole server, and those of this router. */
  const answers = new Set<ServerResponse>()
  const replies = new Set<FastifyReply>()

  function drain (): void {
    draining = true
    for (const answer of answers) answer.shouldKeepAlive = false
  }

  fastify.decorate('draining', { getter: () => draining })
  fastify.decorate('drain', drain)
  fastify.decorate('endRequests', () => {
    const left = [...replies]
    if (fastify.hasDecorator('deliveries')) fastify.deliveries.endAll()
    for (const reply of left) {
      // queued, or still sending its body; others have been answered just now
      if (!reply.sent && !reply.raw.headersSent && !reply.request.routerFailure) reply.send(new ShuttingDownError())
    }
    return left.length
  })

  const collect = (set: Set<Socket>) => (socket: Socket): void => {
    set.add(socket)
    socket.once('close', () => set.delete(socket))
  }
  const connected = collect(sockets)
  const client = collect(clients)
  const requested = (_request: IncomingMessage, answer: ServerResponse): void => {
    // every plugin that watches a request listens for its end: more of them than Node takes for a leak
    answer.setMaxListeners(0)
    answers.add(answer)
    if (draining) answer.shouldKeepAlive = false
    answer.once('close', () => {
      answers.delete(answer)
      // Fastify sweeps idle connections once, when it begins to close; those that end a request later would wait for their keep-alive
      if (closing && 'closeIdleConnections' in server) setImmediate(() => server.closeIdleConnections())
    })
  }
  server.on('connection', connected)
  if (clientEvent !== undefined) server.on(clientEvent, client)
  // before Fastify's own listener, which may answer at once
  server.prependListener('request', requested)

  fastify.addHook('preClose', next => {
    drain()
    closing = true
    // Node does not count a connection as idle on which nothing ever came (a load balancer's check, a browser's guess)
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    // and it no longer looks at heads that never end: only who has a request under way may stay
    grace = setTimeout(() => {
      const busy = new Set([...answers].map(answer => answer.req.socket))
      for (const socket of clients) if (!busy.has(socket)) socket.destroy()
    }, headGraceMs).unref()
    next()
  })
  fastify.addHook('onClose', async () => {
    clearTimeout(grace)
    server.off('connection', connected)
    if (clientEvent !== undefined) server.off(clientEvent, client)
    server.off('request', requested)
  })
  fastify.addHook('onRequest', (_request, reply, next) => {
    replies.add(reply)
    reply.raw.once('close', () => replies.delete(reply))
    next()
  })
}

/** Fastify plugin: graceful ends, `fastify.drain()`, `fastify.draining` and `fastify.endRequests()`. */
export const drain: FastifyPluginAsync = fp(plugin, { fastify: '5.x', name: 'vllm-router-drain' })
export default drain
