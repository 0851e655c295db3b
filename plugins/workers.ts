// Holds the fleet: decorates the instance with the worker registry and logs what happens to it.
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { WorkerRegistry } from '../core/registry.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The only owner of workers. */
    readonly workers: WorkerRegistry
  }
}

const plugin: FastifyPluginAsync = async fastify => {
  const registry = new WorkerRegistry()
  registry.on('added', worker => fastify.log.info({ worker: worker.id, role: worker.role, sources: worker.sources }, 'worker added'))
  registry.on('removed', worker => fastify.log.info({ worker: worker.id }, 'worker gone'))
  registry.on('changed', (worker, from) => {
    const bad = worker.state === 'unhealthy'
    fastify.log[bad ? 'warn' : 'info']({ worker: worker.id, from, to: worker.state, reason: worker.reason }, `worker ${worker.state}`)
  })
  fastify.decorate('workers', registry)
}

/** Fastify plugin: the worker registry, `fastify.workers`. */
export const workers: FastifyPluginAsync = fp(plugin, { fastify: '5.x', name: 'vllm-router-workers' })
export default workers
