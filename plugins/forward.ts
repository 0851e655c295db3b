// Sends a request to the worker chosen for it and the answer back: two ways out, one account.
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import replyFrom from '@fastify/reply-from'
import fp from 'fastify-plugin'
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { kExchange } from '../core/dispatcher.ts'
import { InvalidRequestError, KvTransferParamsError, NoAvailableWorkersError } from '../core/errors.ts'
import { clientError } from '../core/failure.ts'
import { headersForWorker } from '../core/headers.ts'
import { Relay } from '../core/relay.ts'
import { ResponseAffinity } from '../core/response-affinity.ts'
import type { Worker } from '../core/worker.ts'
import { RequestRouting } from '../openai/routing.ts'
import { errorEvent } from '../openai/sse.ts'
import { Call, Calls } from './call.ts'
import { describeError } from './errors.ts'
import { asSent, sendFrom } from './forward-from.ts'

/** Options of the forward plugin. */
export interface ForwardOptions {
  /** Lets a client's own top-level `kv_transfer_params` pass; with some connectors it can end an engine. Default false. */
  allowClientKvTransferParams?: boolean
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
  return `worker=${worker.alias}; policy=${policy}; reason=${decision.reason}; candidates=${candidates}${match}`
}

/** A path segment that leads up, in clear or encoded. */
const upwards = /(?:[/\\]|%2f|%5c)(?:\.|%2e){2}(?=[/\\?]|%2f|%5c|$)/i

/** False for bodies that no worker reads as JSON, whatever their bytes look like. */
function mayBeJson (request: FastifyRequest): boolean {
  const type = request.headers['content-type']
  return type === undefined || /json/i.test(type) || type === 'application/octet-stream'
}

/** Refuses what no worker should get and finds a worker for the rest. */
function begin (fastify: FastifyInstance, request: FastifyRequest, reply: FastifyReply, path: string, how: Forwarding, options: ForwardOptions): Call {
  const body = Buffer.isBuffer(request.body) ? request.body : undefined
  const routing = new RequestRouting(withoutQuery(path), request.headers, body)
  if (options.allowClientKvTransferParams !== true && mayBeJson(request) && routing.hasKvTransferParams) throw new KvTransferParamsError()
  const assignment = fastify.balancer.assign('regular', routing, how.pinned)
  if (assignment === undefined) {
    reply.header('retry-after', '1')
    throw new NoAvailableWorkersError(fastify.workers.size === 0 ? 'none is known' : `none of ${fastify.workers.size} is ready`)
  }
  if (assignment.worker.basePath !== '' && upwards.test(withoutQuery(path))) {
    assignment.finish({ ok: true, firstByteMs: undefined, durationMs: 0, promptTokens: undefined, completionTokens: undefined, cachedTokens: undefined })
    throw new InvalidRequestError('The path leads out of the worker')
  }
  const route = reply.routeOptions.config.workerRoute ?? 'other'
  return new Call(fastify.calls, options.clock ?? systemClock, assignment, route, how.via === 'dispatch', how.makes)
}

/** Straight through undici: the answer's bytes go to the client's socket as they come. */
function sendDispatch (fastify: FastifyInstance, request: FastifyRequest, reply: FastifyReply, call: Call, path: string, headers: string[]): void {
  const { worker } = call.assignment
  const relay = new Relay(reply.raw, {
    takeOver () {
      reply.hijack()
      const own: string[] = []
      for (const [name, value] of Object.entries(reply.getHeaders())) {
        for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) own.push(name, String(one))
      }
      return own
    },
    failed: error => fail(request, reply, call, error),
    lastWords: error => errorEvent(describeError(clientError(error, true)).body, call.atEventBoundary)
  })
  const options = {
    origin: worker.origin,
    path: worker.basePath + path,
    method: request.raw.method ?? 'GET',
    headers,
    body: Buffer.isBuffer(request.body) ? request.body : null,
    [kExchange]: call.exchange
  }
  fastify.upstream.dispatcher.dispatch(options, relay)
}

/** Answers for a call that brought no answer; a client that is gone gets none. */
function fail (request: FastifyRequest, reply: FastifyReply, call: Call, error: Error): void {
  if (call.exchange.end === 'client_gone') {
    request.routerFailure = 'client_gone'
    if (!reply.sent) reply.hijack()
    return
  }
  if (!reply.sent) reply.send(clientError(error, false))
  else reply.raw.destroy()
}

/** Replies to pipelined requests that wait for their turn, by connection. */
const queued = new WeakMap<Socket, Set<ServerResponse>>()

/**
 * Node closes no reply to a pipelined request whose turn has not come when the client leaves; those who wait for that `close`
 * to end an account hear of it all the same.
 */
function closeQueued (request: FastifyRequest, reply: FastifyReply): void {
  const { raw } = reply
  if (raw.socket !== null) return
  const { socket } = request.raw
  const replies = queued.get(socket) ?? new Set()
  if (!queued.has(socket)) {
    queued.set(socket, replies)
    socket.once('close', () => {
      for (const reply of replies) {
        if (reply.socket !== null) continue
        reply.destroy()
        reply.emit('close')
      }
    })
  }
  replies.add(raw)
  raw.once('close', () => replies.delete(raw))
}

const debugLevels = new Set(['debug', 'trace'])

const plugin: FastifyPluginAsync<ForwardOptions> = async (fastify, options) => {
  const prefix = fastify.prefix
  const clock = options.clock ?? systemClock
  const affinity = new ResponseAffinity(options.responseAffinitySize ?? 100_000)
  const calls = new Calls()
  fastify.decorate('calls', calls)
  fastify.decorate('responseAffinity', affinity)
  fastify.decorateRequest('workerCall', null)
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
    closeQueued(request, reply)
    next()
  })

  fastify.decorateReply('forward', function (this: FastifyReply, how: Forwarding) {
    // the client left while its body was read: nobody waits for an answer
    if (this.raw.destroyed) {
      this.request.routerFailure = 'client_gone'
      this.hijack()
      return
    }
    const readAt = clock.now()
    const request = this.request
    const path = pathOf(request, prefix)
    const call = begin(fastify, request, this, path, how, options)
    request.workerCall = call
    const { worker, policy, decision } = call.assignment
    this.raw.once('close', () => {
      if (!this.raw.writableFinished) call.exchange.abandon()
    })
    if (request.headers['x-vllm-router-explain'] !== undefined) this.header('x-vllm-router-decision', explain(call))
    if (debugLevels.has(fastify.log.level)) {
      fastify.log.debug({ reqId: request.id, worker: worker.id, policy, reason: decision.reason, match: decision.match, candidates: call.assignment.candidates }, 'worker chosen')
    }
    const headers = headersForWorker(request.raw.rawHeaders, {
      requestId: request.id, rank: worker.rankHeader, authorization: fastify.upstream.authorization
    })
    try {
      if (how.via === 'dispatch') sendDispatch(fastify, request, this, call, path, headers)
      else sendFrom(this, call, path, headers, error => fail(request, this, call, error))
    } catch (error) {
      call.exchange.failed(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
    call.overheadMs = clock.now() - readAt
  })
}

/** Fastify plugin: `reply.forward()`, and `fastify.calls` to watch what becomes of it. */
export const forward: FastifyPluginAsync<ForwardOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-forward', decorators: { fastify: ['workers', 'balancer', 'upstream'], request: ['routerFailure'] }
})
export default forward
