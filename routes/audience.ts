// Says whom the routes of a scope are for, and has them guarded and answered as such.
import type { FastifyContextConfig, FastifyInstance } from 'fastify'
import { ownHeaders } from '../core/headers.ts'

/** Call it in the scope, before its routes. */
export function routesFor (fastify: FastifyInstance, audience: NonNullable<FastifyContextConfig['audience']>): void {
  fastify.addHook('onRoute', route => { route.config = { ...route.config, audience } })
  fastify.addHook('onRequest', (_request, reply, next) => {
    reply.headers(ownHeaders)
    next()
  })
  // the admin access plugin is optional
  if (audience === 'admin' && fastify.hasDecorator('adminAccess')) fastify.addHook('onRequest', fastify.adminAccess.guard)
}
