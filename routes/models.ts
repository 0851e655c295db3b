// `/v1/models`: what the ready workers serve, together, in OpenAI's list shape.
import type { FastifyPluginCallback } from 'fastify'
import { ModelNotFoundError, NoAvailableWorkersError } from '../core/errors.ts'
import { ownHeaders } from '../core/headers.ts'
import { answers, describeOnly } from './answers.ts'

/** Fastify plugin: the list of models, and one of them. */
export const modelRoutes: FastifyPluginCallback = (fastify, _options, done) => {
  const tags = ['models']
  describeOnly(fastify)

  fastify.get('/v1/models', { schema: { tags, summary: 'All models of all ready workers', response: answers.models }, config: { workerRoute: '/v1/models' } }, ({ caller }, reply) => {
    if (fastify.workers.candidates(fastify.balancer.answeringRole).workers.length === 0) {
      reply.header('retry-after', '1')
      throw new NoAvailableWorkersError('no worker is ready')
    }
    const models = [...fastify.workers.models(fastify.balancer.answeringRole)].filter(([id]) => caller?.models?.has(id) ?? true)
    reply.headers(ownHeaders).send({ object: 'list', data: models.map(([, card]) => card) })
  })

  const one = { schema: { tags, summary: 'One model', response: answers.model }, config: { workerRoute: '/v1/models/{id}' } }
  fastify.get<{ Params: { '*': string } }>('/v1/models/*', one, (request, reply) => {
    const id = request.params['*']
    const card = fastify.workers.models(fastify.balancer.answeringRole).get(id)
    const allowed = request.caller?.models
    if (allowed !== undefined && (card === undefined || !allowed.has(id))) throw new ModelNotFoundError()
    if (card === undefined) reply.forward({ via: 'from' })
    else reply.headers(ownHeaders).send(card)
  })
  done()
}
export default modelRoutes
