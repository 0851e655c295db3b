// Keeps the router's own paths its own: a method they do not have is answered with 405 here instead of by some worker.
import type { FastifyInstance } from 'fastify'
import { MethodNotAllowedError } from '../core/errors.ts'

/** Called before the router's own routes are made; what it returns is called after them and adds the answers for all other methods. */
export function closeOwnPaths (fastify: FastifyInstance): () => void {
  const methodsByPath = new Map<string, Set<string>>()
  let watching = true
  fastify.addHook('onRoute', route => {
    if (!watching) return
    const methods = methodsByPath.get(route.routePath) ?? new Set()
    for (const method of [route.method].flat()) methods.add(method.toUpperCase())
    methodsByPath.set(route.routePath, methods)
  })
  return () => {
    watching = false
    for (const [url, methods] of methodsByPath) {
      const allow = [...methods].join(', ')
      fastify.route({
        method: fastify.supportedMethods.filter(method => !methods.has(method)),
        url,
        exposeHeadRoute: false,
        schema: { hide: true },
        // before its body is read, however long that is, and judged
        onRequest: (request, reply, next) => {
          reply.header('allow', allow)
          next(new MethodNotAllowedError(request.method, request.url.split('?', 1)[0]))
        },
        handler: (_request, reply) => reply
      })
    }
  }
}
