// Reads every body whole and as bytes, whatever its content type: the worker judges it, not the router.
import fp from 'fastify-plugin'
import type { FastifyPluginCallback, FastifyRequest } from 'fastify'

/** Options of the raw body plugin. */
export interface RawBodyOptions {
  /** Longest body taken, in bytes; a longer one is answered with 413. Default 536,870,912. */
  maxPayloadSize?: number
}

/** What Fastify takes for a content type; it answers anything else with 415 before a parser is asked. */
const wellFormed = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+[ \t]*(?:;|$)/

const plugin: FastifyPluginCallback<RawBodyOptions> = (fastify, options, done) => {
  fastify.removeAllContentTypeParsers()
  const parse = { parseAs: 'buffer', bodyLimit: options.maxPayloadSize ?? 536_870_912 } as const
  const asItIs = (_request: FastifyRequest, body: Buffer, next: (error: Error | null, body?: unknown) => void): void => next(null, body)
  fastify.addContentTypeParser('*', parse, asItIs)
  // the same once more: Fastify remembers which parser a type belongs to, but for those that are left to `*`
  fastify.addContentTypeParser(/^application\/json(?:;|$)/, parse, asItIs)
  fastify.addHook('onRequest', (request, _reply, next) => {
    const type = request.raw.headers['content-type']
    // only the parser's choice hangs on this value: the worker gets the client's own, from the raw headers; Fastify insists on one for QUERY
    if (type === undefined ? request.method === 'QUERY' : !wellFormed.test(type)) request.raw.headers['content-type'] = 'application/octet-stream'
    next()
  })
  done()
}

/** Fastify plugin: bodies as bytes. */
export const rawBody: FastifyPluginCallback<RawBodyOptions> = fp(plugin, { fastify: '5.x', name: 'vllm-router-raw-body' })
export default rawBody
