// Lets a closing server end in the moment its last request does, instead of waiting for idle keep-alive connections.
import type { Server } from 'node:http'
import type { Http2Server } from 'node:http2'
import type { Socket } from 'node:net'
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'

declare module 'fastify' {
  interface FastifyInstance {
    /** True from the moment the server began to close. */
    readonly draining: boolean
  }
}

const plugin: FastifyPluginAsync = async fastify => {
  let draining = false
  fastify.decorate('draining', { getter: () => draining })
  const server: Server | Http2Server = fastify.server
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  fastify.addHook('preClose', next => {
    draining = true
    // Node does not count a connection as idle on which nothing ever came (a load balancer's check, a browser's guess)
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
    next()
  })
  // Fastify sweeps idle connections once, when it begins to close; those that end a request later would wait for their keep-alive
  fastify.addHook('onRequest', (_request, reply, next) => {
    reply.raw.once('close', () => {
      if (draining && 'closeIdleConnections' in server) setImmediate(() => server.closeIdleConnections())
    })
    next()
  })
}

/** Fastify plugin: quick, graceful closing. */
export const drain: FastifyPluginAsync = fp(plugin, { fastify: '5.x', name: 'vllm-router-drain' })
export default drain
