// `/v1/models`: what the ready workers serve, together, in OpenAI's list shape.
import type { FastifyPluginCallback } from 'fastify'
import { NoAvailableWorkersError } from '../core/errors.ts'
import { answers, describeOnly } from './answers.ts'
import { ownHeaders } from '../core/headers.ts'

/** Fastify plugin: the list of models, and one of them. */
export const modelRoutes: FastifyPluginCallback = (fastify, _options, done) => {
  const tags = ['models']
  describeOnly(fastify)

  fastify.get('/v1/models', { schema: { tags, summary: 'All models of all ready workers', response: answers.models }, config: { workerRoute: '/v1/models' } }, (_request, reply) => {
    if (fastify.workers.candidates('regular').workers.length === 0) {
      reply.header('retry-after', '1')
      throw new NoAvailableWorkersError('no worker is ready')
    }
    reply.headers(ownHeaders).send({ object: 'list', data: [...fastify.workers.models().values()] })
  })

  const one = { schema: { tags, summary: 'One model', response: answers.model }, config: { workerRoute: '/v1/models/{id}' } }
  fastify.get<{ Params: { '*': string } }>('/v1/models/*', one, (request, reply) => {
    const card = fastify.workers.models().get(request.params['*'])
    if (card === undefined) reply.forward({ via: 'from' })
    else reply.headers(ownHeaders).send(card)
  })
  done()
}
export default modelRoutes
