// A simulated vLLM worker as a Fastify plugin: the HTTP side of its engines, with failures on demand and a record of what it was asked.
import { createHash, randomUUID } from 'node:crypto'
import type { FastifyError, FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { breakLater, resetConnection, wasCut } from './answer.ts'
import { chatRoutes } from './chat.ts'
import { completionRoutes } from './completions.ts'
import { controlRoutes } from './control.ts'
import type { Engine } from './engine.ts'
import { typeOf, VllmError } from './errors.ts'
import { Failures } from './failures.ts'
import { rawBody } from './json.ts'
import { kvSettings } from './kv/settings.ts'
import { EngineHang } from './kv/plan.ts'
import { KvTransfers } from './kv/transfers.ts'
import { modelRoutes } from './models.ts'
import { poolingRoutes } from './pooling.ts'
import { responseRoutes } from './responses.ts'
import { Serving, type SimulatorOptions } from './serving.ts'
import { utilityRoutes } from './utility.ts'

/** One request as it came in. */
export interface SeenRequest {
  readonly method: string
  readonly url: string
  /** Names and values in turn, as they were on the wire. */
  readonly rawHeaders: readonly string[]
  /** Hex digest of the body's bytes. */
  readonly bodySha256: string
  readonly bodyBytes: number
}

/** What a test sees of the worker. */
export interface Simulator {
  /** One engine a data-parallel rank. */
  readonly engines: readonly Engine[]
  readonly failures: Failures
  /** Requests whose client left before the answer was complete. */
  readonly aborts: number
  /** The last requests seen, oldest first; those under `/_simulator` are not counted. */
  readonly requests: readonly SeenRequest[]
  /** Names of the models served now, the base model first. */
  readonly models: readonly string[]
  /** Blocks that come from and go to other workers; undefined without a connector. */
  readonly kv: KvTransfers | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly simulator: Simulator
  }
}

/** Longest body accepted, in bytes. */
const bodyLimit = 1024 ** 3

const plugin: FastifyPluginAsync<SimulatorOptions> = async (fastify, options) => {
  const serving = new Serving(options)
  const failures = new Failures(fastify.server, serving.clock)
  const settings = kvSettings(options)
  const kv = settings === undefined ? undefined : new KvTransfers(settings, serving.engines.length, serving.clock, () => failures.current.mode !== 'refuse')
  serving.kv = kv
  const requests: SeenRequest[] = []
  const prefix = options.prefix ?? ''
  const keep = options.maxRecordedRequests ?? 100
  let aborts = 0
  const simulator: Simulator = {
    engines: serving.engines,
    failures,
    get aborts () { return aborts },
    requests,
    get models () { return serving.models },
    kv
  }
  fastify.decorate('simulator', simulator)
  fastify.addHook('preClose', done => {
    failures.dispose()
    done()
  })
  if (kv !== undefined) {
    fastify.addHook('onReady', () => kv.start())
    fastify.addHook('onListen', async () => {
      const address = fastify.server.address()
      if (typeof address === 'object' && address !== null) await kv.announce(address.port)
    })
    fastify.addHook('onClose', () => kv.stop())
  }

  /** The request's path as a worker without prefix would see it. */
  function pathOf (request: FastifyRequest): string {
    return request.url.split('?', 1)[0]?.slice(prefix.length) ?? ''
  }

  function isOwn (request: FastifyRequest): boolean {
    return pathOf(request).startsWith('/_simulator/')
  }

  function watchClient (reply: FastifyReply): void {
    reply.raw.once('close', () => {
      if (!reply.raw.writableFinished && !wasCut(reply)) aborts++
    })
  }

  function see (request: FastifyRequest): void {
    const body = rawBody(request)
    requests.push({
      method: request.method,
      url: request.raw.url ?? '',
      rawHeaders: request.raw.rawHeaders,
      bodySha256: createHash('sha256').update(body).digest('hex'),
      bodyBytes: body.length
    })
    if (requests.length > keep) requests.shift()
  }

  /** Lets the failure in force strike; true when the request goes no further for now. */
  function strike (request: FastifyRequest, reply: FastifyReply, goOn: () => void): boolean {
    const failure = failures.take(request.method, pathOf(request))
    switch (failure?.mode) {
      case 'status': {
        const status = failure.status ?? 500
        if (failure.retryAfter !== undefined) reply.header('retry-after', String(failure.retryAfter))
        reply.code(status).send(new VllmError(status, typeOf(status), failure.message ?? 'Simulated failure').body())
        return true
      }
      case 'delay': {
        const timer = serving.clock.after(failure.delayMs ?? 1000, goOn)
        reply.raw.once('close', () => timer.cancel())
        return true
      }
      case 'hang':
        reply.hijack()
        return true
      case 'reset':
        resetConnection(reply)
        return true
      case 'reset_stream':
        breakLater(reply, failure)
        return false
      default:
        return false
    }
  }

  fastify.register((worker, _, ready) => {
    const paths = new Set<string>()
    worker.removeAllContentTypeParsers()
    worker.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit }, (_request, body, parsed) => parsed(null, body))
    worker.addHook('onRoute', route => { paths.add(route.path.slice(prefix.length)) })

    worker.addHook('onRequest', (request, reply, next) => {
      reply.header('x-request-id', request.id)
      if (!isOwn(request)) watchClient(reply)
      next()
    })
    worker.addHook('preHandler', (request, reply, next) => {
      if (isOwn(request)) return next()
      see(request)
      if (strike(request, reply, next)) return
      if (options.apiKey !== undefined && pathOf(request).startsWith('/v1') && request.headers.authorization !== `Bearer ${options.apiKey}`) {
        reply.code(401).send({ error: 'Unauthorized' })
        return
      }
      next()
    })
    worker.setGenReqId(request => {
      const id = request.headers['x-request-id']
      return typeof id === 'string' && id !== '' ? id : randomUUID().replaceAll('-', '')
    })
    worker.setNotFoundHandler((request, reply) => {
      const known = paths.has(pathOf(request))
      reply.code(known ? 405 : 404).send({ detail: known ? 'Method Not Allowed' : 'Not Found' })
    })
    worker.setErrorHandler(answerError)

    chatRoutes(worker, serving)
    completionRoutes(worker, serving)
    responseRoutes(worker, serving, options.maxStoredResponses ?? 1000)
    poolingRoutes(worker, serving)
    utilityRoutes(worker, serving)
    modelRoutes(worker, serving)
    controlRoutes(worker, serving, simulator)
    ready()
  }, { prefix })
}

function answerError (this: FastifyInstance, error: FastifyError | VllmError | EngineHang, request: FastifyRequest, reply: FastifyReply): void {
  if (error instanceof EngineHang) {
    reply.hijack()
    reply.raw.once('close', () => this.simulator.kv?.died())
    return
  }
  if (error instanceof VllmError) {
    reply.code(error.statusCode).send(error.body())
    return
  }
  const status = error.statusCode ?? 500
  if (status >= 500) request.log.error({ err: error }, 'request failed')
  reply.code(status).send(new VllmError(status, typeOf(status), status >= 500 ? 'Internal server error' : error.message).body())
}

/** The worker's routes and `fastify.simulator`. Everything but the decorator stays in a scope of its own. */
export const simulatedWorker: FastifyPluginAsync<SimulatorOptions> = fp(plugin, { fastify: '5.x', name: 'vllm-simulator' })
export default simulatedWorker
