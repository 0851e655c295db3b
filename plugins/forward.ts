// Sends a request to the worker chosen for it and the answer back: two ways out, one account.
import replyFrom from '@fastify/reply-from'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { kDelivery } from '../core/delivery.ts'
import { InvalidRequestError, KvTransferParamsError, ModelNotFoundError, NoAvailableWorkersError } from '../core/errors.ts'
import { clientError } from '../core/failure.ts'
import { connectionAndCors } from '../core/headers.ts'
import { closeWithSocket } from '../core/queued-replies.ts'
import { Relay } from '../core/relay.ts'
import { cutOff, isClosed, isComplete } from '../core/reply.ts'
import { whenClosed } from '../core/reply-end.ts'
import { ResponseAffinity } from '../core/response-affinity.ts'
import type { Role, Worker } from '../core/worker.ts'
import { RequestRouting } from '../openai/routing.ts'
import { errorEvent } from '../openai/sse.ts'
import { checkModel } from './allowed-models.ts'
import { Calls } from './call.ts'
import type { Call } from './call.ts'
import { Deliveries } from './deliveries.ts'
import { disaggregationOf } from './disaggregation.ts'
import { describeError } from './errors.ts'
import { asSent, sendFrom } from './forward-from.ts'
import { RequestDelivery, retriesOf } from './request-delivery.ts'
import type { ClientDelivery, DeliveryRequest } from './request-delivery.ts'

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

function explain (call: Call): string {
  const { worker, policy, decision, candidates } = call.assignment
  const match = decision.match === undefined ? '' : `; match=${decision.match.toFixed(3)}`
  const { prefill, reason } = call.split ?? {}
  const split = reason === undefined ? '' : `; split=${reason}` + (prefill === undefined ? '' : `; prefill=${prefill.assignment.worker.alias}`)
  const session = decision.session === undefined ? '' : `; session=${decision.session}`
  const uncached = decision.uncachedTokens === undefined ? '' : `; uncached=${Math.round(decision.uncachedTokens)}`
  return `worker=${worker.alias}; policy=${policy}; reason=${decision.reason}; candidates=${candidates}${match}${session}${uncached}${split}`
}

/** A path segment that leads up, in clear or encoded. */
const upwards = /(?:[/\\]|%2f|%5c)(?:\.|%2e){2}(?=[/\\?]|%2f|%5c|$)/i

/** False for bodies that are uploads of some kind: their bytes may look like JSON in UTF-16 and be none. */
function mayBeJson (request: FastifyRequest): boolean {
  const type = request.headers['content-type']
  return type === undefined || /json/i.test(type) || type === 'application/octet-stream'
}

/** What the client gets when nobody can take its request. */
function nobody (fastify: FastifyInstance, reply: FastifyReply, routing: RequestRouting, clock: Clock, role: Role): Error {
  const { workers } = fastify
  if (routing.knownModelOnly && !workers.list().some(worker => worker.models?.has(routing.model ?? '') === true)) return new ModelNotFoundError()
  const held = workers.held(role, routing.model)
  const soonest = Math.min(...held.map(worker => Math.max(...worker.holds.values())))
  const seconds = Number.isFinite(soonest) ? Math.max(1, Math.ceil((soonest - clock.now()) / 1000)) : 1
  reply.header('retry-after', String(seconds))
  const why = workers.size === 0 ? 'none is known' : held.length > 0 ? `${held.length} of ${workers.size} are held back for now` : `none of ${workers.size} is ready`
  return new NoAvailableWorkersError(why)
}

/** Straight through undici: the answer's bytes go to the client's socket as they come. */
function sendDispatch (
  fastify: FastifyInstance, reply: FastifyReply, delivery: ClientDelivery, failed: (error: Error) => void, without?: ReadonlySet<string>
): boolean {
  const { request } = reply
  const relay = new Relay(reply.raw, {
    without,
    takeOver () {
      reply.hijack()
      const own: string[] = []
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) own.push(name, String(one))
      }
      return own
    },
    failed,
    lastWords: error => errorEvent(describeError(delivery.ended ?? clientError(error, true)).body, delivery.call?.atEventBoundary ?? true)
  })
  // origin, path and headers are those of each attempt
  const options = {
    origin: '', path: '/', method: request.raw.method ?? 'GET', body: Buffer.isBuffer(request.body) ? request.body : null, [kDelivery]: delivery
  }
  return fastify.upstream.dispatcher.dispatch(options, relay)
}

/** Answers for a request that no worker answered; a client that is gone gets no answer. */
function fail (reply: FastifyReply, gone: boolean, error: Error): void {
  if (gone) {
    reply.request.routerFailure = 'client_gone'
    if (!reply.sent) reply.hijack()
    return
  }
  if (!reply.sent) reply.send(error)
  else cutOff(reply.raw, true)
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
    const routing = new RequestRouting(withoutQuery(path), request.headers, Buffer.isBuffer(request.body) ? request.body : undefined)
    if (request.caller?.models !== undefined) checkModel(request.caller.models, request, withoutQuery(path), routing, how.pinned)
    if (options.allowClientKvTransferParams !== true) {
      // some workers read JSON whatever its content type says
      if (mayBeJson(request) ? routing.hasKvTransferParams : routing.namesKvTransferParams) throw new KvTransferParamsError()
    }
    if (upwards.test(withoutQuery(path)) && fastify.workers.list().some(worker => worker.basePath !== '')) throw new InvalidRequestError('The path leads out of the worker')
    let gone = false
    const what: DeliveryRequest = {
      fastify,
      request,
      routing,
      clock,
      path,
      route: this.routeOptions.config.workerRoute ?? 'other',
      generation: how.via === 'dispatch',
      pinned: how.pinned,
      makes: how.makes,
      deadlineMs: (options.requestTimeoutSecs ?? 1800) * 1000,
      firstByteMs: (options.firstByteTimeoutSecs ?? 0) * 1000,
      withoutClientAuthorization: request.caller !== null && options.forwardAuthorization !== true,
      chosen: call => chosen(this, call),
      returned: call => present(this, call),
      nobody: role => nobody(fastify, this, routing, clock, role)
    }
    // the disaggregation plugin is optional
    const delivery = disaggregationOf(fastify)?.deliver(what) ?? new RequestDelivery(what)
    retriesOf(fastify)?.budget.request()
    const end = (error: Error): void => {
      this.request.routerFailure = String(describeError(error).body.error.code)
      delivery.abandon(error)
      // nothing was under way that could have failed, and no answer that could have ended
      if (this.sent || this.raw.headersSent) return
      gone = true
      this.send(error)
    }
    const over = deliveries.add(delivery, end)
    whenClosed(this.raw, () => {
      over()
      if (isComplete(this.raw)) return
      gone = true
      delivery.abandon()
    })
    const failed = (error: Error): void => fail(this, gone, delivery.ended ?? clientError(error, false))
    try {
      const sent = how.via === 'dispatch'
        ? sendDispatch(fastify, this, delivery, failed, without)
        : sendFrom(this, delivery, failed, without)
      if (delivery.call === undefined && !sent) throw what.nobody(fastify.balancer.answeringRole)
    } catch (error) {
      delivery.call?.exchange.failed(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
    if (delivery.call !== undefined) delivery.call.overheadMs = clock.now() - readAt
  })

  function present (reply: FastifyReply, call: Call): void {
    reply.request.workerCall = call
    if (options.explainDecisions === true || reply.request.headers['x-vllm-router-explain'] !== undefined) reply.header('x-vllm-router-decision', explain(call))
  }

  function chosen (reply: FastifyReply, call: Call): void {
    const { worker, policy, decision, candidates } = call.assignment
    const { request } = reply
    calls.emit('chosen', call, request)
    if (call.leg !== 'prefill') present(reply, call)
    if (!debugLevels.has(fastify.log.level)) return
    fastify.log.debug({ reqId: request.id, worker: worker.id, leg: call.leg, split: call.split?.reason, policy, reason: decision.reason, match: decision.match, session: decision.session, uncachedTokens: decision.uncachedTokens, candidates }, 'worker chosen')
  }
}

/** Fastify plugin: `reply.forward()`, and `fastify.calls` to watch what becomes of it. */
export const forward: FastifyPluginAsync<ForwardOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-forward', decorators: { fastify: ['workers', 'balancer', 'upstream'], request: ['routerFailure', 'caller'] }
})
export default forward
