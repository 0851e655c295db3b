// The router inside an application that has routes, a logger and a prefix of its own; and a second router beside the first.
// In a project of your own, import from 'fastify-vllm-router'; the relative path only serves this repository.
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import vllmRouter from '../router.ts'

/** Builds the application; two fleets, each under its prefix, know nothing of each other. */
export async function build (chatWorkers: readonly string[], embeddingWorkers: readonly string[]): Promise<FastifyInstance> {
  const app = Fastify({ logger: { level: 'warn' } })

  app.get('/hello', async () => ({ hello: 'world' }))

  await app.register(vllmRouter, { prefix: '/chat', workerUrls: chatWorkers, policy: 'cache_aware' })
  await app.register(vllmRouter, { prefix: '/embeddings', workerUrls: embeddingWorkers, policy: 'power_of_two', metricsPath: '/metrics' })
  return app
}
