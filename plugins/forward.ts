// Sends a request to the worker chosen for it and the answer back: two ways out, one account.
import replyFrom from '@fastify/reply-from'
import fp from 'fastify-plugin'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { kDelivery } from '../core/delivery.ts'
import { InvalidRequestError, KvTransferParamsError } from '../core/errors.ts'
import { connectionAndCors } from '../core/headers.ts'
import { closeWithSocket } from '../core/queued-replies.ts'
import { Relay } from '../core/relay.ts'
import { isClosed } from '../core/reply.ts'
import { whenClosed } from '../core/reply-end.ts'
import { ResponseAffinity } from '../core/response-affinity.ts'
import type { Worker } from '../core/worker.ts'
import { RequestRouting } from '../openai/routing.ts'
import { checkModel } from './allowed-models.ts'
import { Calls } from './call.ts'
import type { Call } from './call.ts'
import { Deliveries } from './deliveries.ts'
import { asSent, sendFrom } from './forward-from.ts'
import { Forwarded } from './forwarded.ts'
import { retriesOf } from './request-delivery.ts'

/** Options of the forward plugin that may change while it runs. */
export interface ForwardingLimits {
  /** Lets a client's own top-level `kv_transfer_params` pass; with some connectors it can end an engine. Default false. */
  allowClientKvTransferParams?: boolean
  /** Seconds for all attempts at a request together, to the first byte of the answer. Default 1800. */
  requestTimeoutSecs?: number
  /** Seconds for one attempt, to the first byte of the answer; 0 = no limit of its own. Default 0. */
  firstByteTimeoutSecs?: number
  /** Forwards the bearer of a client that the router itself recognised; without it, it stays here. Default false. */
  forwardAuthorization?: boolean
  /** Every answer says which worker was chosen, and why; else those that were asked for it. Default false. */
  explainDecisions?: boolean
}

/** Options of the forward plugin. */
export interface ForwardOptions extends ForwardingLimits {
  /** Response ids remembered so that `/v1/responses/{id}` finds the worker that made it. Default 100,000. */
  responseAffinitySize?: number
  clock?: Clock
}

/** What a route may say about a request it forwards. */
export interface Forwarding {
  /**
   * `dispatch`: undici straight to the reply, for generation. `from`: through `@fastify/reply-from`, for everything else.
   */
  readonly via: 'dispatch' | 'from'
  /** The worker that must answer, because only it can. */
  readonly pinned?: Worker | undefined
  /** The answer makes a response with an id that begins so; it is remembered. */
  readonly makes?: string
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Every call to a worker, for those who watch. */
    readonly calls: Calls
    /** Requests handed to workers and not answered in full, for those who must end them early. */
    readonly deliveries: Deliveries
    readonly forwarding: {
      /** Changes options while the router runs, for requests that come from now on. */
      configure (options: ForwardingLimits): void
    }
    /** Which worker made which response. */
    readonly responseAffinity: ResponseAffinity
  }
  interface FastifyRequest {
    /** The call this request became; null before, and for requests no worker ever got. */
    workerCall: Call | null
  }
  interface FastifyReply {
    /** Forwards the request to a worker and the answer to the client. The handler returns nothing after it. */
    forward (how: Forwarding): void
  }
  interface FastifyContextConfig {
    /** Marks routes that workers serve, with the name they have in metrics. */
    workerRoute?: string
  }
}

/** Path and query as the client sent them, without the prefix the router is mounted under. */
function pathOf (request: FastifyRequest, prefix: string): string {
  const url = request.raw.url ?? '/'
  const path = prefix !== '' && url.startsWith(prefix) ? url.slice(prefix.length) : url
  return path.startsWith('/') ? path : '/' + path
}

function withoutQuery (path: string): string {
  const at = path.indexOf('?')
  return at === -1 ? path : path.slice(0, at)
}

/** A path segment that leads up, in clear or encoded. */
const upwards = /(?:[/\\]|%2f|%5c)(?:\.|%2e){2}(?=[/\\?]|%2f|%5c|$)/i

/** False for bodies that are uploads of some kind: their bytes may look like JSON in UTF-16 and be none. */
function mayBeJson (request: FastifyRequest): boolean {
  const type = request.headers['content-type']
  return type === undefined || type === 'application/json' || /json/i.test(type) || type === 'application/octet-stream'
}

/** Straight through the dispatcher: the answer's bytes go to the client's socket as they come. */
function sendDispatch (forwarded: Forwarded, reply: FastifyReply): boolean {
  const { request } = reply
  // origin, path and headers are those of each attempt
  const options = {
    origin: '', path: '/', method: request.raw.method ?? 'GET', body: Buffer.isBuffer(request.body) ? request.body : null, [kDelivery]: forwarded.delivery
  }
  return forwarded.fastify.upstream.dispatcher.dispatch(options, new Relay(reply.raw, forwarded))
}

const debugLevels = new Set(['debug', 'trace'])

const plugin: FastifyPluginAsync<ForwardOptions> = async (fastify, given) => {
  let options = given
  const prefix = fastify.prefix
  const clock = options.clock ?? systemClock
  const affinity = new ResponseAffinity(options.responseAffinitySize ?? 100_000)
  const calls = new Calls()
  fastify.decorate('calls', calls)
  fastify.decorate('responseAffinity', affinity)
  const deliveries = new Deliveries()
  fastify.decorate('deliveries', deliveries)
  fastify.decorate('forwarding', { configure (changed) { options = { ...options, ...changed } } })
  fastify.decorateRequest('workerCall', null)
  // the cors plugin is optional
  const without = fastify.hasDecorator('corsPolicy') ? connectionAndCors : undefined
  await fastify.register(replyFrom, { undici: fastify.upstream.dispatcher.compose(asSent), disableRequestLogging: true })

  calls.on('responseId', (call, id) => affinity.set(id, call.assignment.worker.id))
  calls.on('settled', call => {
    const { exchange, assignment } = call
    // trouble on a connection says more about a worker than the last health check: look at once
    if (exchange.error !== undefined && exchange.end !== 'client_gone') fastify.workers.suspect(assignment.worker)
    if (debugLevels.has(fastify.log.level)) {
      fastify.log.debug({ worker: assignment.worker.id, end: exchange.end, status: exchange.status, err: exchange.error, durationMs: call.durationMs }, 'call settled')
    }
  })

  fastify.addHook('onRequest', (request, reply, next) => {
    closeWithSocket(reply.raw, request.raw.socket)
    next()
  })

  fastify.decorateReply('forward', function (this: FastifyReply, how: Forwarding) {
    // the client left while its body was read: nobody waits for an answer
    if (isClosed(this.raw)) {
      this.request.routerFailure = 'client_gone'
      this.hijack()
      return
    }
    const readAt = clock.now()
    const request = this.request
    const path = pathOf(request, prefix)
    const bare = withoutQuery(path)
    const routing = new RequestRouting(bare, request.headers, Buffer.isBuffer(request.body) ? request.body : undefined)
    if (request.caller?.models !== undefined) checkModel(request.caller.models, request, bare, routing, how.pinned)
    if (options.allowClientKvTransferParams !== true) {
      // some workers read JSON whatever its content type says
      if (mayBeJson(request) ? routing.hasKvTransferParams : routing.namesKvTransferParams) throw new KvTransferParamsError()
    }
    if (upwards.test(bare) && fastify.workers.list().some(worker => worker.basePath !== '')) throw new InvalidRequestError('The path leads out of the worker')
    const forwarded = new Forwarded({
      fastify,
      clock,
      reply: this,
      routing,
      path,
      generation: how.via === 'dispatch',
      pinned: how.pinned,
      makes: how.makes,
      deadlineMs: (options.requestTimeoutSecs ?? 1800) * 1000,
      firstByteMs: (options.firstByteTimeoutSecs ?? 0) * 1000,
      withoutClientAuthorization: request.caller !== null && options.forwardAuthorization !== true,
      without,
      explains: options.explainDecisions === true || request.headers['x-vllm-router-explain'] !== undefined,
      debug: debugLevels.has(fastify.log.level)
    })
    const { delivery } = forwarded
    retriesOf(fastify)?.budget.request()
    const over = deliveries.add(forwarded)
    whenClosed(this.raw, () => {
      over()
      forwarded.closed()
    })
    try {
      const sent = how.via === 'dispatch' ? sendDispatch(forwarded, this) : sendFrom(this, delivery, error => forwarded.failed(error), without)
      if (delivery.call === undefined && !sent) throw forwarded.nobody(fastify.balancer.answeringRole)
    } catch (error) {
      delivery.call?.exchange.failed(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
    if (delivery.call !== undefined) delivery.call.overheadMs = clock.now() - readAt
  })
}

/** Fastify plugin: `reply.forward()`, and `fastify.calls` to watch what becomes of it. */
export const forward: FastifyPluginAsync<ForwardOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-forward', decorators: { fastify: ['workers', 'balancer', 'upstream'], request: ['routerFailure', 'caller'] }
})
export default forward
