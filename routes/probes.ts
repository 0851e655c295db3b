// The router's own signs of life, for people, load balancers and Kubernetes.
import type { FastifyPluginCallback } from 'fastify'
import { NoAvailableWorkersError } from '../core/errors.ts'
import type { Role } from '../core/worker.ts'
import { disaggregationOf } from '../plugins/disaggregation.ts'
import { answers, describeOnly } from './answers.ts'
import { routesFor } from './audience.ts'

/** Fastify plugin: `/liveness`, `/readiness`, `/health`, `/health_generate`. */
export const probeRoutes: FastifyPluginCallback = (fastify, _options, done) => {
  const tags = ['probes']
  const { workers: registry, balancer } = fastify
  describeOnly(fastify)
  routesFor(fastify, 'probe')

  const ready = (role: Role): number => registry.candidates(role).workers.length

  /** Roles without which no request can be served. */
  function needed (): Role[] {
    return disaggregationOf(fastify)?.needsPrefill === true ? ['prefill', 'decode'] : [balancer.answeringRole]
  }

  /** A role's word before "worker", where there is more than one role. */
  const kind = (role: Role): string => role === 'regular' ? '' : `${role} `

  /** Why no request could be served now; undefined when one could. */
  function obstacle (): string | undefined {
    if (fastify.draining) return 'the router is shutting down'
    const missing = needed().find(role => ready(role) === 0)
    if (missing === undefined) return undefined
    if (!registry.list().some(worker => worker.role === missing)) return `no ${kind(missing)}worker is known`
    return registry.held(missing).length > 0 ? `every ${kind(missing)}worker that is ready is held back for now` : `no ${kind(missing)}worker is ready`
  }

  /** How many workers there are, and can be picked. */
  function counts (): object {
    if (disaggregationOf(fastify) === undefined) return { healthy_workers: ready('regular'), total_workers: registry.size }
    const pool = (role: Role): object => ({ healthy: ready(role), total: registry.list().filter(worker => worker.role === role).length })
    return { prefill: pool('prefill'), decode: pool('decode') }
  }

  fastify.get('/liveness', { schema: { tags, summary: 'The process runs', response: answers.liveness } }, (_request, reply) => {
    reply.type('text/plain; charset=utf-8').send('OK')
  })

  fastify.get('/readiness', { schema: { tags, summary: 'A request could be served now', response: answers.readiness } }, (_request, reply) => {
    const reason = obstacle()
    const sources = fastify.discovery.map(source => ({ name: source.name, ...source.health() }))
    if (reason === undefined) {
      reply.send({ status: 'ready', ...counts(), sources })
    } else {
      // without the number that would be 0
      const { healthy_workers: _, ...known } = counts() as { healthy_workers?: number }
      reply.code(503).send({ status: 'not_ready', reason, ...known, sources })
    }
  })

  fastify.get('/health', { schema: { tags, summary: 'The workers, if there are any, are not all out', response: answers.health } }, (_request, reply) => {
    const missing = registry.size === 0 ? undefined : needed().find(role => ready(role) === 0)
    if (missing !== undefined) {
      reply.header('retry-after', '1')
      const total = registry.list().filter(worker => worker.role === missing).length
      const held = registry.held(missing).length
      const of = `of ${total}${missing === 'regular' ? '' : ` ${missing} workers`}`
      throw new NoAvailableWorkersError(held > 0 ? `${held} ${of} are held back for now` : `none ${of} is ready`)
    }
    reply.send({ status: 'healthy', ...counts() })
  })

  fastify.get('/health_generate', { schema: { tags, summary: 'A worker makes one token', response: answers.healthGenerate } }, async (_request, reply) => {
    const worker = registry.candidates(balancer.answeringRole).workers.find(one => (one.models?.size ?? 0) > 0)
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
