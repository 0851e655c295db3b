// Holds the fleet: decorates the instance with the worker registry and logs what happens to it.
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { WorkerRegistry } from '../core/registry.ts'

/** Options of the workers plugin. */
export interface WorkersOptions {
  /** Somebody else logs what happens to the fleet. Default false. */
  quiet?: boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The only owner of workers. */
    readonly workers: WorkerRegistry
  }
}

const plugin: FastifyPluginAsync<WorkersOptions> = async (fastify, { quiet = false }) => {
  const registry = new WorkerRegistry()
  fastify.decorate('workers', registry)
  if (quiet) return
  registry.on('added', worker => fastify.log.info({ worker: worker.id, role: worker.role, sources: worker.sources }, 'worker added'))
  registry.on('removed', worker => fastify.log.info({ worker: worker.id }, 'worker gone'))
  registry.on('changed', (worker, from) => {
    const bad = worker.state === 'unhealthy'
    fastify.log[bad ? 'warn' : 'info']({ worker: worker.id, from, to: worker.state, reason: worker.reason }, `worker ${worker.state}`)
  })
}

/** Fastify plugin: the worker registry, `fastify.workers`. */
export const workers: FastifyPluginAsync<WorkersOptions> = fp(plugin, { fastify: '5.x', name: 'vllm-router-workers' })
export default workers
