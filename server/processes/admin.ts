// Changes of the fleet that somebody asks one child for are made by the primary, and hold for all.
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import type { AdminAnswer, AdminRequest } from './messages.ts'

const changing: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/**
 * Has the primary answer what changes something, once this process has found the request in order. Call it before the admin routes are
 * there.
 */
export function handOver (router: FastifyInstance, ask: (request: AdminRequest) => Promise<AdminAnswer>): void {
  async function answer (request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { status, contentType, body } = await ask({
      method: request.method as AdminRequest['method'],
      url: request.url,
      body: request.body === undefined ? undefined : JSON.stringify(request.body)
    })
    return await reply.code(status).type(contentType).send(body)
  }
  router.addHook('onRoute', route => {
    const methods = Array.isArray(route.method) ? route.method : [route.method]
    if (route.config?.workerRoute !== undefined || !methods.every(method => changing.has(method))) return
    const here = route.handler
    // whom a route is for is said by its scope, after this
    const handler: RouteHandlerMethod = function (this: FastifyInstance, request, reply) {
      if (request.routeOptions.config.audience === 'admin') return answer(request, reply)
      return here.call(this, request, reply)
    }
    route.handler = handler
  })
}

/** Answers for the children; whoever asks has been let in by one of them. */
export async function answerAdmin (app: FastifyInstance, { method, url, body }: AdminRequest): Promise<AdminAnswer> {
  const response = await app.inject({
    method, url, headers: { host: 'router', ...(body === undefined ? {} : { 'content-type': 'application/json' }) }, ...(body === undefined ? {} : { payload: body })
  })
  return { status: response.statusCode, contentType: String(response.headers['content-type'] ?? 'application/json'), body: response.body }
}
