// Routes for those who run the fleet: the list of workers, its changes, loads and caches.
import type { FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import type { BreakerState } from '../core/breaker.ts'
import { InvalidRequestError, UnknownWorkerError } from '../core/errors.ts'
import { inBatches } from '../core/batches.ts'
import { isWorkerUrl } from '../core/worker-url.ts'
import type { Role, Worker } from '../core/worker.ts'
import { disaggregationOf } from '../plugins/disaggregation.ts'
import { answers, describeOnly } from './answers.ts'
import { routesFor } from './audience.ts'

/** Options of the admin routes. */
export interface AdminOptions {
  /** Shown in `/get_server_info`. */
  version: string
}

interface NewWorker {
  url: string
  model_id?: string
  priority?: number
  cost?: number
  worker_type?: Role
  bootstrap_port?: number | null
  labels?: Record<string, string>
}

/** Workers asked at the same time when all are asked something. */
const fanOut = 64

const tags = ['workers']
const byUrl = {
  querystring: { type: 'object', required: ['url'], properties: { url: { type: 'string', minLength: 1, description: 'Base URL of the worker, `@rank` for one rank of it', examples: ['http://127.0.0.1:8000'] } } }
}
const bySession = {
  querystring: { type: 'object', required: ['session_id'], properties: { session_id: { type: 'string', minLength: 1, description: 'As a header or the body of its requests named it' } } }
}
const drains = {
  querystring: { type: 'object', properties: { drain: { type: 'boolean', default: true, description: 'false: end its requests now; streams with an error event, those not answered yet at another worker' } } }
}
const newWorker = {
  type: 'object',
  required: ['url'],
  properties: {
    url: { type: 'string', minLength: 1, examples: ['http://127.0.0.1:8000', 'http://127.0.0.1:8001@1'] },
    model_id: { type: 'string' },
    priority: { type: 'number' },
    cost: { type: 'number' },
    worker_type: { type: 'string', enum: ['regular', 'prefill', 'decode'], description: 'prefill or decode where the router splits requests, else regular' },
    bootstrap_port: { type: ['integer', 'null'], minimum: 1, maximum: 65535, description: 'Port of a prefill worker\'s bootstrap server (Mooncake)' },
    labels: { type: 'object', additionalProperties: { type: 'string' } }
  }
}

const isText = (value: unknown): boolean => value === undefined || typeof value === 'string'
const isNumber = (value: unknown): boolean => value === undefined || typeof value === 'number'

/** Fastify would make a text of what is none, even of null, where a text is asked for. */
function typesAreKept (request: FastifyRequest, _reply: FastifyReply, next: (error?: Error) => void): void {
  const { url, model_id: model, priority, cost, labels } = (request.body ?? {}) as Record<string, unknown>
  const kept = [url, model, ...Object.values(labels ?? {})].every(isText) && [priority, cost].every(isNumber) && labels !== null
  next(kept ? undefined : new InvalidRequestError('`url`, `model_id` and `labels` must be strings, `priority` and `cost` numbers'))
}

function show (worker: Worker, breaker: BreakerState | undefined): object {
  const [first] = worker.models?.keys() ?? []
  return {
    url: worker.id,
    model_id: first ?? worker.spec.model ?? 'unknown',
    worker_type: worker.role,
    is_healthy: worker.state === 'ready',
    load: worker.load,
    connection_mode: 'Http',
    ...(worker.spec.bootstrapPort === undefined ? {} : { bootstrap_port: worker.spec.bootstrapPort }),
    priority: worker.spec.priority ?? 50,
    cost: worker.spec.cost ?? 1,
    alias: worker.alias,
    state: worker.state,
    reason: worker.reason,
    breaker: breaker ?? 'disabled',
    holds: [...worker.holds.keys()],
    weight: worker.weight,
    sources: worker.sources,
    models: [...worker.models?.keys() ?? []],
    in_flight: worker.inFlight,
    processed: worker.processed + worker.processedElsewhere,
    ...(worker.spec.bootstrapPort === undefined ? {} : { bootstrap_port: worker.spec.bootstrapPort }),
    labels: worker.spec.labels ?? {}
  }
}

/** Fastify plugin: fleet administration, with the paths and forms of the Rust router. */
export const adminRoutes: FastifyPluginCallback<AdminOptions> = (fastify, options, done) => {
  const registry = fastify.workers
  const manual = fastify.manualWorkers
  const { balancer } = fastify
  const startedAt = Date.now()
  describeOnly(fastify)
  routesFor(fastify, 'admin')
  // in this scope bodies are the router's own to read
  fastify.removeContentTypeParser('*')
  const parseJson = fastify.getDefaultJsonParser('error', 'error')
  fastify.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, next) => {
    // many clients name the type also where they send nothing
    if (body === '') next(null, undefined)
    else void parseJson(request, body, next)
  })
  fastify.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, next) => next(null, undefined))

  /** The state of a worker's breaker; the circuit breaker plugin is optional. */
  const breakerOf = (worker: Worker): BreakerState | undefined => fastify.hasDecorator('breakers') ? fastify.breakers.stateOf(worker) : undefined

  /** The worker of a path; what is no URL at all names no worker either. */
  function named (text: string): Worker {
    const [worker] = isWorkerUrl(text) ? manual.find(text) : []
    if (worker === undefined) throw new UnknownWorkerError(text)
    return worker
  }

  fastify.get('/list_workers', { schema: { tags, summary: 'URLs of all workers, in the order they came', response: answers.urls } }, (_request, reply) => {
    reply.send({ urls: registry.list().map(worker => worker.id) })
  })

  fastify.post<{ Querystring: { url: string } }>('/add_worker', { schema: { ...byUrl, tags, summary: 'Add a worker; it takes traffic once it answers', response: answers.said } }, (request, reply) => {
    manual.add(request.query.url)
    reply.type('text/plain; charset=utf-8').send(`Successfully added worker: ${request.query.url}`)
  })

  fastify.post<{ Querystring: { url: string } }>('/remove_worker', { schema: { ...byUrl, tags, summary: 'Remove a worker; it finishes what it has', response: answers.said } }, (request, reply) => {
    manual.remove(request.query.url)
    reply.type('text/plain; charset=utf-8').send(`Successfully removed worker: ${request.query.url}`)
  })

  fastify.get('/workers', { schema: { tags, summary: 'All workers with their states', response: answers.workers } }, (_request, reply) => {
    const workers = registry.list()
    const count = (role: string): number => workers.filter(worker => worker.role === role).length
    reply.send({
      workers: workers.map(worker => show(worker, breakerOf(worker))),
      total: workers.length,
      stats: { prefill_count: count('prefill'), decode_count: count('decode'), regular_count: count('regular') }
    })
  })

  fastify.post<{ Body: NewWorker | null }>('/workers', { preValidation: typesAreKept, schema: { tags, summary: 'Add a worker', body: newWorker, response: answers.changed } }, (request, reply) => {
    if (request.body === null) throw new InvalidRequestError('The body must be a JSON object with a `url`')
    const { url, model_id: model, priority, cost, labels, worker_type: role, bootstrap_port: bootstrapPort } = request.body
    manual.add(url, {
      ...(model === undefined ? {} : { model }),
      ...(priority === undefined ? {} : { priority }),
      ...(cost === undefined ? {} : { cost }),
      ...(labels === undefined ? {} : { labels }),
      ...(role === undefined ? {} : { role }),
      ...(bootstrapPort === undefined || bootstrapPort === null ? {} : { bootstrapPort })
    })
    reply.send({ success: true, message: `Worker ${url} added; it takes traffic once it answers` })
  })

  // a wildcard: a worker's URL, encoded or not, is longer than a path parameter may be
  fastify.get<{ Params: { '*': string } }>('/workers/*', { schema: { tags, summary: 'One worker, by its encoded URL', response: answers.worker } }, (request, reply) => {
    const worker = named(request.params['*'])
    reply.send(show(worker, breakerOf(worker)))
  })

  fastify.delete<{ Params: { '*': string }, Querystring: { drain: boolean } }>('/workers/*', { schema: { ...drains, tags, summary: 'Remove a worker, by its encoded URL; it finishes what it has unless told otherwise', response: answers.changed } }, (request, reply) => {
    named(request.params['*'])
    const removed = manual.remove(request.params['*'])
    if (!request.query.drain) for (const worker of removed) fastify.deliveries.cut(worker)
    reply.send({ success: true, message: `Worker ${request.params['*']} removed` })
  })

  fastify.get('/get_loads', { schema: { tags, summary: 'Requests running and waiting on each worker, as it says itself; -1 where it does not', response: answers.loads } }, async () => {
    const loads = await inBatches(registry.urls(), fanOut, async url => {
      const told = await fastify.upstream.client.loads(url).catch(() => undefined)
      return registry.at(url).map(worker => ({ worker, load: loadOf(worker, told) }))
    })
    const all = loads.flat()
    if (disaggregationOf(fastify) === undefined) return { workers: all.map(({ worker, load }) => ({ worker: worker.id, load })) }
    return {
      loads: Object.fromEntries(all.map(({ worker, load }) => [`${worker.role}_${worker.id}`, load])),
      errors: all.filter(({ load }) => load < 0).map(({ worker }) => `${worker.id} does not say`)
    }
  })

  fastify.post('/flush_cache', { schema: { tags, summary: 'Forget what the policy knows of KV caches, and empty the workers\' prefix caches (a vLLM in development mode can); 207 when some could not', response: answers.flushed } }, async (_request, reply) => {
    balancer.flush()
    disaggregationOf(fastify)?.flush()
    const workers = await inBatches(registry.urls(), fanOut, async url => {
      const flushed = await fastify.upstream.client.resetPrefixCache(url).then(() => true, () => false)
      return { worker: url, flushed }
    })
    const all = workers.every(worker => worker.flushed)
    return await reply.code(all ? 200 : 207).send({ status: all ? 'ok' : 'partial', workers })
  })

  // as in the Rust router no route of clients: who knows another's session could end it
  fastify.post<{ Querystring: { session_id: string } }>('/finish_session', { schema: { ...bySession, tags, summary: 'Free a session of sticky_least_loaded; none of that name is fine, too', response: answers.sessionFinished } }, (request, reply) => {
    const { session_id: id } = request.query
    balancer.finishSession(id)
    reply.send({ status: 'ok', session_id: id })
  })

  fastify.get('/get_server_info', { schema: { tags, summary: 'About this router', response: answers.serverInfo } }, (_request, reply) => {
    reply.send({
      name: 'fastify-vllm-router',
      version: options.version,
      policy: balancer.policy.name,
      ...(disaggregationOf(fastify) === undefined ? {} : { prefill_policy: balancer.policyOf('prefill').name, decode_policy: balancer.policyOf('decode').name }),
      uptime_seconds: Math.round((Date.now() - startedAt) / 1000),
      workers: { total: registry.size, ready: balancer.roles.reduce((sum, role) => sum + registry.candidates(role).workers.length, 0) }
    })
  })

  fastify.get('/get_model_info', { schema: { tags, summary: 'The models served', response: answers.modelInfo } }, (_request, reply) => {
    const models = [...registry.models().keys()]
    reply.send({ model_path: models[0] ?? null, is_generation: true, models })
  })
  done()
}

function loadOf (worker: Worker, told: ReadonlyMap<string, number> | undefined): number {
  if (told === undefined) return -1
  if (worker.rankHeader !== undefined) return told.get(worker.rankHeader) ?? -1
  return [...told.values()].reduce((sum, load) => sum + load, 0)
}
export default adminRoutes
