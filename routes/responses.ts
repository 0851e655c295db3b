// OpenAI's responses: made on one worker, which alone knows them afterwards.
import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import type { Worker } from '../core/worker.ts'
import { RequestRouting } from '../openai/routing.ts'

/** Fastify plugin: `/v1/responses` and everything below it. */
export const responseRoutes: FastifyPluginCallback = (fastify, _options, done) => {
  const made = '/v1/responses'

  /** The worker that made a response, while it is part of the fleet. */
  function maker (response: string): Worker | undefined {
    const id = fastify.responseAffinity.get(response)
    return id === undefined ? undefined : fastify.workers.get(id)
  }

  /** A turn that continues a response can only be understood where that response is. */
  function continued (request: FastifyRequest): Worker | undefined {
    if (!Buffer.isBuffer(request.body)) return undefined
    const { previousResponseId } = new RequestRouting(made, request.headers, request.body)
    return previousResponseId === undefined ? undefined : maker(previousResponseId)
  }

  fastify.post(made, { schema: { hide: true }, config: { workerRoute: made } }, (request, reply) => {
    reply.forward({ via: 'dispatch', pinned: continued(request), makes: 'resp_' })
  })
  fastify.route<{ Params: { '*': string } }>({
    method: ['GET', 'POST', 'DELETE'],
    url: made + '/*',
    exposeHeadRoute: false,
    schema: { hide: true },
    config: { workerRoute: made + '/{id}' },
    handler (request, reply) {
      const [id = ''] = request.params['*'].split('/', 1)
      reply.forward({ via: 'from', pinned: maker(id) })
    }
  })
  done()
}
export default responseRoutes
