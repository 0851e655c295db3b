// What an operator and a test ask of a worker: health, load, metrics, cache resets, failures and the requests it has seen.
import type { FastifyInstance } from 'fastify'
import { badRequest } from './errors.ts'
import type { Failure, FailureMode } from './failures.ts'
import { jsonBody, requiredText } from './json.ts'
import { metricsPage } from './metrics.ts'
import type { Simulator } from './plugin.ts'
import type { Serving } from './serving.ts'

/** Adds the routes. */
export function controlRoutes (app: FastifyInstance, serving: Serving, simulator: Simulator): void {
  for (const path of ['/health', '/ping']) app.get(path, (_, reply) => { reply.send() })
  app.post('/ping', (_, reply) => { reply.send() })
  app.get('/version', (_, reply) => { reply.send({ version: '0.32.0' }) })
  app.get('/load', (_, reply) => { reply.send({ server_load: serving.engines.reduce((load, engine) => load + engine.load, 0) }) })
  app.get('/metrics', (_, reply) => {
    reply.type('text/plain; version=1.0.0; charset=utf-8').send(metricsPage(serving, simulator.aborts))
  })

  for (const path of ['/reset_prefix_cache', '/flush_cache']) {
    app.post(path, (_, reply) => {
      const reset = serving.engines.map(engine => engine.reset())
      reply.send({ success: !reset.includes(false) })
    })
  }

  app.get('/_simulator/kv', (_, reply) => { reply.send(serving.kv?.state() ?? {}) })
  app.get('/_simulator/requests', (_, reply) => { reply.send(simulator.requests) })
  app.post('/_simulator/failure', async (request, reply) => {
    const failure = failureOf(jsonBody(request))
    if (failure.mode !== 'refuse') {
      await simulator.failures.set(failure)
      return failure
    }
    // The answer has to leave before its connection is cut.
    reply.raw.once('close', () => { simulator.failures.set(failure).catch(error => { app.log.error({ err: error }, 'could not stop listening') }) })
    reply.header('connection', 'close')
    return failure
  })
  app.delete('/_simulator/failure', async () => {
    await simulator.failures.clear()
    return { mode: 'none' }
  })
}

/** A failure as it stands in a body; numbers and texts are checked, what is unknown is refused. */
function failureOf (body: Record<string, unknown>): Failure {
  const kinds: Record<string, 'number' | 'string'> = { mode: 'string', status: 'number', delayMs: 'number', afterChunks: 'number', count: 'number', path: 'string', message: 'string', retryAfter: 'number' }
  for (const [name, value] of Object.entries(body)) {
    const kind = typeof value
    if (kinds[name] !== kind) throw badRequest(`${name} is not a field of a failure, or not of that type.`, name)
    if (typeof value === 'number' && !(value >= 0)) throw badRequest(`${name} must be 0 or more.`, name)
  }
  const mode = requiredText(body, 'mode')
  if (!['none', 'status', 'delay', 'hang', 'refuse', 'reset', 'reset_stream'].includes(mode)) throw badRequest(`mode \`${mode}\` is unknown.`, 'mode')
  return { ...body, mode: mode as FailureMode }
}
