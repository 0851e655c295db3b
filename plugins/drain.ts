// Lets a server end well: tells everybody that it will, closes connections as soon as they are idle, and ends what does not end by itself.
import { Server } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2Session, Http2Server } from 'node:http2'
import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import fp from 'fastify-plugin'
import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import { answersOn, watchAnswers } from '../core/connection-answers.ts'
import { ShuttingDownError } from '../core/errors.ts'
import { InFlight } from '../core/in-flight.ts'
import { http2Stream } from '../core/reply.ts'
import { whenClosed } from '../core/reply-end.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** True from `drain()` on, or else from the moment the server began to close. */
    readonly draining: boolean
    /**
     * Says that the server will close: `/readiness` is 503 and every answer the last one on its connection (HTTP/2 clients are
     * told to open another one), while requests are taken as before. Closing is the application's own: `close()`.
     */
    drain (): void
    /**
     * Ends every request of this router that has not ended: 503 where no answer has begun, an error event at the end of a
     * stream, a cut elsewhere. Returns how many there were.
     */
    endRequests (): number
    /** Destroys every connection of the server. */
    cutConnections (): void
  }
}

/** Milliseconds a client gets to finish the head of a request that had begun when the server closes. */
const headGraceMs = 1000

/** In a GOAWAY frame: no stream is refused yet, but no new one should come (RFC 9113 §6.8). */
const anyStream = 2 ** 31 - 1

/** What a connection and its encrypted form have in common. */
const peer = (socket: Socket): string => `${socket.remoteAddress} ${socket.remotePort}`

const plugin: FastifyPluginAsync = async fastify => {
  let draining = false
  let closing = false
  let grace: NodeJS.Timeout | undefined
  const server: Server | Http2Server = fastify.server
  const sockets = new Set<Socket>()
  /** The sockets as requests of HTTP/1 know them. */
  const clients = new Set<Socket & { readonly alpnProtocol?: string | false | null }>()
  const kind: unknown = server
  const secure = kind instanceof TlsServer
  const clientEvent = secure ? 'secureConnection' : kind instanceof Server ? 'connection' : undefined
  /** Connections of HTTP/2, and whether they were told to open no more streams. */
  const sessions = new Map<Http2Session, boolean>()
  /** Answers under way that are this router's. */
  const replies = new InFlight<FastifyReply>()

  function sendAway (session: Http2Session | undefined): void {
    if (session === undefined || session.destroyed || sessions.get(session) !== false) return
    sessions.set(session, true)
    session.goaway(0, anyStream)
  }

  /** Requests that come while the server drains. */
  function requested (_request: IncomingMessage, answer: ServerResponse): void {
    answer.shouldKeepAlive = false
    // one that came meanwhile, for its first request
    sendAway(http2Stream(answer)?.session)
    if (closing) closeWhenIdle(answer)
  }

  // Fastify sweeps idle connections once, when it begins to close; those that end a request later would wait for their keep-alive
  function closeWhenIdle (answer: ServerResponse): void {
    if ('closeIdleConnections' in server) whenClosed(answer, () => setImmediate(() => server.closeIdleConnections()))
  }

  function drain (): void {
    if (!draining) server.prependListener('request', requested)
    draining = true
    for (const socket of clients) for (const answer of answersOn(socket)) answer.shouldKeepAlive = false
    for (const session of sessions.keys()) sendAway(session)
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
  fastify.decorate('cutConnections', () => {
    for (const socket of sockets) socket.destroy()
  })

  const collect = (set: Set<Socket>) => (socket: Socket): void => {
    set.add(socket)
    socket.once('close', () => set.delete(socket))
  }
  const connected = collect(sockets)
  const client = collect(clients)
  const opened = (session: Http2Session): void => {
    sessions.set(session, false)
    session.once('close', () => sessions.delete(session))
  }
  server.on('connection', connected)
  server.on('session', opened)
  if (clientEvent !== undefined) server.on(clientEvent, client)
  if (kind instanceof Server || kind instanceof TlsServer) watchAnswers(kind)

  fastify.addHook('preClose', next => {
    drain()
    closing = true
    for (const socket of clients) for (const answer of answersOn(socket)) closeWhenIdle(answer)
    // Node does not count a connection as idle on which nothing ever came (a load balancer's check, a browser's guess)
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    for (const session of sessions.keys()) session.close()
    // and it no longer looks at heads that never end: only who has a request under way may stay
    grace = setTimeout(() => {
      const known = new Set([...clients].map(peer))
      for (const socket of clients) if (answersOn(socket).length === 0 && socket.alpnProtocol !== 'h2') socket.destroy()
      // those that never became secure
      if (secure) for (const socket of sockets) if (!known.has(peer(socket))) socket.destroy()
    }, headGraceMs).unref()
    next()
  })
  fastify.addHook('onClose', async () => {
    clearTimeout(grace)
    server.off('connection', connected)
    server.off('session', opened)
    if (clientEvent !== undefined) server.off(clientEvent, client)
    server.off('request', requested)
  })
  fastify.addHook('onRequest', (_request, reply, next) => {
    whenClosed(reply.raw, replies.add(reply))
    next()
  })
}

/** Fastify plugin: graceful ends, `fastify.drain()`, `fastify.draining`, `fastify.endRequests()` and `fastify.cutConnections()`. */
export const drain: FastifyPluginAsync = fp(plugin, { fastify: '5.x', name: 'vllm-router-drain' })
export default drain
