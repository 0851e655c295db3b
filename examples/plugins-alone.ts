// Some of the plugins without the router: an application that only asks which worker is best and sends its own requests.
// In a project of your own, import from 'fastify-vllm-router/plugins/…'; the relative paths only serve this repository.
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { staticSource } from '../discovery/static.ts'
import { RequestRouting } from '../openai/routing.ts'
import discovery from '../plugins/discovery.ts'
import health from '../plugins/health.ts'
import loadBalancer from '../plugins/load-balancer.ts'
import upstream from '../plugins/upstream.ts'
import workers from '../plugins/workers.ts'

/** Builds the application. */
export async function build (urls: readonly string[]): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(workers)
  await app.register(discovery, { sources: [staticSource(urls.map(url => ({ url })))] })
  await app.register(loadBalancer, { policy: 'power_of_two' })
  await app.register(upstream)
  await app.register(health, { healthCheckIntervalSecs: 10 })

  app.post<{ Body: { question: string } }>('/ask', async (request, reply) => {
    const body = Buffer.from(JSON.stringify({ model: 'simulated', prompt: request.body.question, max_tokens: 4 }))
    const routing = new RequestRouting('/v1/completions', request.headers, body)
    const assignment = app.balancer.assign('regular', routing)
    if (assignment === undefined) return await reply.code(503).send({ error: 'no worker is ready' })
    const startedAt = performance.now()
    let ok = false
    let firstByteMs: number | undefined
    try {
      const answer = await fetch(assignment.worker.url + '/v1/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      assignment.firstByte()
      firstByteMs = performance.now() - startedAt
      ok = answer.ok
      return { worker: assignment.worker.alias, reason: assignment.decision.reason, answer: await answer.json() }
    } finally {
      // whatever happened, the worker's in-flight count goes down again
      assignment.finish({ ok, firstByteMs, durationMs: performance.now() - startedAt, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined })
    }
  })
  return app
}
