// A policy of one's own: paying users get the least loaded worker, everybody else shares the first one.
// In a project of your own, import from 'fastify-vllm-router'; the relative path only serves this repository.
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import vllmRouter from '../router.ts'
import type { Policy } from '../router.ts'

/** A plain object: `pick` chooses one of the candidates, which are never none, and says why. */
export const paidFirst: Policy = {
  name: 'paid_first',
  pick (candidates, routing) {
    const [shared] = candidates.workers
    const least = candidates.leastLoaded(0)
    if (shared === undefined || least === undefined) throw new RangeError('no candidate')
    return routing.header('x-plan') === 'paid'
      ? { worker: least, reason: 'lower_load' }
      : { worker: shared, reason: 'only_candidate' }
  }
}

/** A router with that policy. */
export async function build (workerUrls: readonly string[]): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(vllmRouter, { workerUrls, policy: paidFirst })
  return app
}
