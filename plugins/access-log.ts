// One log line per request when asked for: what came, where it went, how it ended. Never a body, a query or a credential.
import fp from 'fastify-plugin'
import type { FastifyPluginCallback } from 'fastify'
import { whenClosed } from '../core/reply-end.ts'

const plugin: FastifyPluginCallback = (fastify, _options, done) => {
  fastify.addHook('onRequest', (request, reply, next) => {
    const startedAt = performance.now()
    // a connection that is gone has no address any more
    const client = request.ip
    whenClosed(reply.raw, () => {
      const { workerCall: call } = request
      fastify.log.info({
        reqId: request.id,
        method: request.method,
        client,
        // what is no path may hold a credential before its host
        path: request.url.startsWith('/') ? request.url.split('?', 1)[0] : undefined,
        status: reply.raw.headersSent ? reply.raw.statusCode : undefined,
        end: call?.exchange.end,
        failure: request.routerFailure ?? undefined,
        caller: request.caller?.name,
        worker: call?.assignment.worker.id,
        reason: call?.assignment.decision.reason,
        firstByteMs: call?.firstByteMs,
        durationMs: performance.now() - startedAt,
        ...call?.usage
      }, 'request')
    })
    next()
  })
  done()
}

/** Fastify plugin: access log. */
export const accessLog: FastifyPluginCallback = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-access-log', decorators: { request: ['routerFailure', 'workerCall', 'caller'] }
})
export default accessLog
