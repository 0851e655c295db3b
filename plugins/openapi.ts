// Describes the router's own routes as OpenAPI, and shows the description as a page on request.
import swagger from '@fastify/swagger'
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { ownHeaders } from '../core/headers.ts'

/** Options of the OpenAPI plugin. */
export interface OpenApiOptions {
  version: string
  /** Also serve the page, at `/router/docs`. Default false. */
  swaggerUi?: boolean
}

/** The page runs its own scripts and asks this server; nothing else may be loaded, and nobody may frame it. It sets styles in its elements. */
const pagePolicy = "default-src 'none'; base-uri 'none'; connect-src 'self'; font-src 'self' data:; form-action 'none'; frame-ancestors 'none'; " +
  "img-src 'self' data:; script-src 'self'; style-src 'self' 'unsafe-inline'"

/** What a wildcard stands for; OpenAPI has no wildcards, only parameters with a name. */
function named (url: string): string {
  return url.replace(/\/workers\/\*$/, '/workers/:url').replace(/\/v1\/models\/\*$/, '/v1/models/:id')
}

const plugin: FastifyPluginAsync<OpenApiOptions> = async (fastify, options) => {
  await fastify.register(swagger, {
    openapi: {
      info: {
        title: 'fastify-vllm-router',
        version: options.version,
        description: 'The routes the router answers itself. Every other path is a worker\'s own and is forwarded as it is.'
      },
      tags: [{ name: 'probes' }, { name: 'models' }, { name: 'workers' }]
    },
    transform: ({ schema, url }) => ({ schema, url: named(url) })
  })
  // not /openapi.json: that path is a worker's own
  fastify.get('/router/openapi.json', { schema: { hide: true }, config: { audience: 'docs' } }, (_request, reply) => {
    reply.headers(ownHeaders).send(fastify.swagger())
  })
  if (options.swaggerUi !== true) return
  const { default: swaggerUi } = await import('@fastify/swagger-ui')
  await fastify.register(async scope => {
    scope.addHook('onRoute', route => { route.config = { ...route.config, audience: 'docs' } })
    scope.addHook('onRequest', (_request, reply, next) => {
      // its files may be kept: they change with the package only, and name a time by which that can be asked
      reply.header('x-content-type-options', 'nosniff')
      next()
    })
    await scope.register(swaggerUi, { routePrefix: '/router/docs', staticCSP: pagePolicy })
  })
}

/** Fastify plugin: OpenAPI at `/router/openapi.json`. */
export const openApi: FastifyPluginAsync<OpenApiOptions> = fp(plugin, { fastify: '5.x', name: 'vllm-router-openapi' })
export default openApi
