// Keeps the router's own paths its own: a method they do not have is answered with 405 here instead of by some worker.
import type { FastifyInstance, RouteOptions } from 'fastify'
import { MethodNotAllowedError, NotFoundError } from '../core/errors.ts'

/** Notes the routes that are made until it is asked for them; by path, with their methods. */
function noteRoutes (fastify: FastifyInstance): () => Map<string, { readonly methods: Set<string>, readonly route: RouteOptions }> {
  const paths = new Map<string, { methods: Set<string>, route: RouteOptions }>()
  let watching = true
  fastify.addHook('onRoute', route => {
    if (!watching) return
    const { methods } = paths.get(route.routePath) ?? { methods: new Set() }
    for (const method of [route.method].flat()) methods.add(method.toUpperCase())
    paths.set(route.routePath, { methods, route })
  })
  return () => {
    watching = false
    return paths
  }
}

/** Called before the router's own routes are made; what it returns is called after them and adds the answers for all other methods. */
export function closeOwnPaths (fastify: FastifyInstance): () => void {
  const noted = noteRoutes(fastify)
  return () => {
    for (const [url, { methods, route: { config } }] of noted()) {
      const allow = [...methods].join(', ')
      fastify.route({
        method: fastify.supportedMethods.filter(method => !methods.has(method)),
        url,
        exposeHeadRoute: false,
        schema: { hide: true },
        ...(config?.audience === undefined ? {} : { config: { audience: config.audience } }),
        // before the body is read, however long that is, and judged
        onRequest: [
          ...(config?.audience === 'admin' && fastify.hasDecorator('adminAccess') ? [fastify.adminAccess.guard] : []),
          (request, reply, next) => {
            reply.header('allow', allow)
            next(new MethodNotAllowedError(request.method, request.url.split('?', 1)[0]))
          }
        ],
        handler: (_request, reply) => reply
      })
    }
  }
}

/** The same for paths that take no OPTIONS, so that there is a route where browsers' preflights can be answered. */
export function openPreflights (fastify: FastifyInstance): () => void {
  const noted = noteRoutes(fastify)
  return () => {
    for (const [url, { methods }] of noted()) {
      if (methods.has('OPTIONS')) continue
      fastify.options(url, { schema: { hide: true } }, request => {
        throw new NotFoundError(request.url.split('?', 1)[0])
      })
    }
  }
}
