// Lets a closing server end in the moment its last request does, instead of waiting for idle keep-alive connections.
import fp from 'fastify-plugin'
import type { FastifyPluginCallback } from 'fastify'

declare module 'fastify' {
  interface FastifyInstance {
    /** True from the moment the server began to close. */
    readonly draining: boolean
  }
}

const plugin: FastifyPluginCallback = (fastify, _options, done) => {
  let draining = false
  fastify.decorate('draining', { getter: () => draining })
  fastify.addHook('preClose', next => {
    draining = true
    next()
  })
  // Fastify sweeps idle connections once, when it begins to close; those that end a request later would wait for their keep-alive
  fastify.addHook('onRequest', (_request, reply, next) => {
    reply.raw.once('close', () => {
      if (draining) setImmediate(() => fastify.server.closeIdleConnections())
    })
    next()
  })
  done()
}

/** Fastify plugin: quick, graceful closing. */
export const drain: FastifyPluginCallback = fp(plugin, { fastify: '5.x', name: 'vllm-router-drain' })
export default drain
