// The router's own signs of life, for people, load balancers and Kubernetes.
import type { FastifyPluginCallback } from 'fastify'
import { NoAvailableWorkersError } from '../core/errors.ts'
import { answers, describeOnly } from './answers.ts'
import { routesFor } from './audience.ts'

/** Fastify plugin: `/liveness`, `/readiness`, `/health`, `/health_generate`. */
export const probeRoutes: FastifyPluginCallback = (fastify, _options, done) => {
  const tags = ['probes']
  const registry = fastify.workers
  describeOnly(fastify)
  routesFor(fastify, 'probe')

  /** Why no request could be served now; undefined when one could. */
  function obstacle (): string | undefined {
    if (fastify.draining) return 'the router is shutting down'
    if (registry.candidates('regular').workers.length > 0) return undefined
    if (registry.size === 0) return 'no worker is known'
    return registry.held('regular').length > 0 ? 'every worker that is ready is held back for now' : 'no worker is ready'
  }

  fastify.get('/liveness', { schema: { tags, summary: 'The process runs', response: answers.liveness } }, (_request, reply) => {
    reply.type('text/plain; charset=utf-8').send('OK')
  })

  fastify.get('/readiness', { schema: { tags, summary: 'A request could be served now', response: answers.readiness } }, (_request, reply) => {
    const reason = obstacle()
    const total = registry.size
    const sources = fastify.discovery.map(source => ({ name: source.name, ...source.health() }))
    if (reason === undefined) {
      reply.send({ status: 'ready', healthy_workers: registry.candidates('regular').workers.length, total_workers: total, sources })
    } else {
      reply.code(503).send({ status: 'not_ready', reason, total_workers: total, sources })
    }
  })

  fastify.get('/health', { schema: { tags, summary: 'The workers, if there are any, are not all out', response: answers.health } }, (_request, reply) => {
    const total = registry.size
    const ready = registry.candidates('regular').workers.length
    if (total > 0 && ready === 0) {
      reply.header('retry-after', '1')
      const held = registry.held('regular').length
      throw new NoAvailableWorkersError(held > 0 ? `${held} of ${total} are held back for now` : `none of ${total} is ready`)
    }
    reply.send({ status: 'healthy', healthy_workers: ready, total_workers: total })
  })

  fastify.get('/health_generate', { schema: { tags, summary: 'A worker makes one token', response: answers.healthGenerate } }, async (_request, reply) => {
    const worker = registry.candidates('regular').workers.find(one => (one.models?.size ?? 0) > 0)
    const [model] = worker?.models?.keys() ?? []
    if (worker === undefined || model === undefined) {
      reply.header('retry-after', '1')
      throw new NoAvailableWorkersError('none is ready to generate')
    }
    try {
      await fastify.upstream.client.generate(worker.url, model)
    } catch (error) {
      reply.header('retry-after', '1')
      throw new NoAvailableWorkersError('a worker made no token', { cause: error })
    }
    return { status: 'healthy', model, worker: worker.alias }
  })
  done()
}
export default probeRoutes
