// Gives requests a place for who sent them. Whoever recognises callers fills it; others read it.
import fp from 'fastify-plugin'
import type { FastifyPluginCallback } from 'fastify'
import type { Caller } from '../auth/caller.ts'

export type { Caller, Via } from '../auth/caller.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who sent the request; null where nobody was asked for, and until he is recognised. */
    caller: Caller | null
  }
}

const plugin: FastifyPluginCallback = (fastify, _options, done) => {
  fastify.decorateRequest('caller', null)
  done()
}

/** Fastify plugin: `request.caller`. */
export const caller: FastifyPluginCallback = fp(plugin, { fastify: '5.x', name: 'vllm-router-caller' })
export default caller
