// Gives every request an id: the client's own or a new one; it goes into every log line, to the worker and back to the client.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import fp from 'fastify-plugin'
import type { FastifyPluginCallback } from 'fastify'

/** Options of the request id plugin. */
export interface RequestIdOptions {
  /** Headers a client may bring its id in, first hit wins. Default `x-request-id`, `x-correlation-id`, `x-trace-id`, `request-id`. */
  requestIdHeaders?: readonly string[]
}

/** Headers looked into when nothing else is said: those of the Rust router. */
export const defaultRequestIdHeaders: readonly string[] = ['x-request-id', 'x-correlation-id', 'x-trace-id', 'request-id']

/** Ids that may stand in a header, a log line and a label: printable ASCII without spaces, at most 256 characters. */
const acceptable = /^[!-~]{1,256}$/

const plugin: FastifyPluginCallback<RequestIdOptions> = (fastify, options, done) => {
  const names = (options.requestIdHeaders ?? defaultRequestIdHeaders).map(name => name.toLowerCase())
  fastify.setGenReqId((raw: Pick<IncomingMessage, 'headers'>) => {
    for (const name of names) {
      const value = raw.headers[name]
      if (typeof value === 'string' && acceptable.test(value)) return value
    }
    return randomUUID()
  })
  fastify.addHook('onRequest', (request, reply, next) => {
    reply.header('x-request-id', request.id)
    next()
  })
  done()
}

/** Fastify plugin: request ids. */
export const requestId: FastifyPluginCallback<RequestIdOptions> = fp(plugin, { fastify: '5.x', name: 'vllm-router-request-id' })
export default requestId
