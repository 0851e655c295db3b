// One request that is forwarded: what its delivery must know, what the relay of its answer asks, and the ways it can end.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../core/clock.ts'
import { ModelNotFoundError, NoAvailableWorkersError } from '../core/errors.ts'
import { clientError } from '../core/failure.ts'
import type { RelayOwner } from '../core/relay.ts'
import { cutOff, isComplete } from '../core/reply.ts'
import type { Role, Worker } from '../core/worker.ts'
import type { RequestRouting } from '../openai/routing.ts'
import { errorEvent } from '../openai/sse.ts'
import type { Call } from './call.ts'
import type { Delivered } from './deliveries.ts'
import { disaggregationOf } from './disaggregation.ts'
import { describeError } from './errors.ts'
import { RequestDelivery } from './request-delivery.ts'
import type { ClientDelivery, DeliveryRequest } from './request-delivery.ts'

/** What a request is forwarded with: what the reply and its own methods do not tell. */
export interface ForwardedSettings extends Omit<DeliveryRequest, 'request' | 'route' | 'chosen' | 'returned' | 'nobody'> {
  readonly reply: FastifyReply
  /** Lower-case names of the worker's headers that do not go to the client; undefined = those of the connection. */
  readonly without: ReadonlySet<string> | undefined
  /** The client is told of the choice. */
  readonly explains: boolean
  /** What a call looks like in the log is to be logged. */
  readonly debug: boolean
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

/** A class, as each request makes one: its methods are made once. */
export class Forwarded implements DeliveryRequest, RelayOwner, Delivered {
  readonly fastify: FastifyInstance
  readonly request: FastifyRequest
  readonly routing: RequestRouting
  readonly clock: Clock
  readonly path: string
  readonly route: string
  readonly generation: boolean
  readonly pinned: Worker | undefined
  readonly makes: string | undefined
  readonly deadlineMs: number
  readonly firstByteMs: number
  readonly withoutClientAuthorization: boolean
  readonly without: ReadonlySet<string> | undefined
  readonly delivery: ClientDelivery
  private readonly reply: FastifyReply
  private readonly explains: boolean
  private readonly debug: boolean
  /** Nobody is there to be answered, or somebody has answered. */
  private gone = false

  constructor (settings: ForwardedSettings) {
    const { reply } = settings
    this.reply = reply
    this.request = reply.request
    this.fastify = settings.fastify
    this.routing = settings.routing
    this.clock = settings.clock
    this.path = settings.path
    this.route = reply.routeOptions.config.workerRoute ?? 'other'
    this.generation = settings.generation
    this.pinned = settings.pinned
    this.makes = settings.makes
    this.deadlineMs = settings.deadlineMs
    this.firstByteMs = settings.firstByteMs
    this.withoutClientAuthorization = settings.withoutClientAuthorization
    this.without = settings.without
    this.explains = settings.explains
    this.debug = settings.debug
    // the disaggregation plugin is optional
    this.delivery = disaggregationOf(settings.fastify)?.deliver(this) ?? new RequestDelivery(this)
  }

  chosen (call: Call): void {
    const { worker, policy, decision, candidates } = call.assignment
    const { calls, log } = this.fastify
    calls.emit('chosen', call, this.request)
    if (call.leg !== 'prefill') this.returned(call)
    if (!this.debug) return
    log.debug({ reqId: this.request.id, worker: worker.id, leg: call.leg, split: call.split?.reason, policy, reason: decision.reason, match: decision.match, session: decision.session, uncachedTokens: decision.uncachedTokens, candidates }, 'worker chosen')
  }

  returned (call: Call): void {
    this.request.workerCall = call
    if (this.explains) this.reply.header('x-vllm-router-decision', explain(call))
  }

  nobody (role: Role): Error {
    const { routing, fastify: { workers } } = this
    if (routing.knownModelOnly && !workers.list().some(worker => worker.models?.has(routing.model ?? '') === true)) return new ModelNotFoundError()
    const held = workers.held(role, routing.model)
    const soonest = Math.min(...held.map(worker => Math.max(...worker.holds.values())))
    const seconds = Number.isFinite(soonest) ? Math.max(1, Math.ceil((soonest - this.clock.now()) / 1000)) : 1
    this.reply.header('retry-after', String(seconds))
    const why = workers.size === 0 ? 'none is known' : held.length > 0 ? `${held.length} of ${workers.size} are held back for now` : `none of ${workers.size} is ready`
    return new NoAvailableWorkersError(why)
  }

  takeOver (): string[] {
    this.reply.hijack()
    const own: string[] = []
    const headers = this.reply.getHeaders()
    for (const name in headers) {
      const value = headers[name]
      if (typeof value === 'string') own.push(name, value)
      else for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) own.push(name, String(one))
    }
    return own
  }

  /** Answers for a request that no worker answered; a client that is gone gets no answer. */
  failed (error: Error): void {
    const { reply } = this
    if (this.gone) {
      reply.request.routerFailure = 'client_gone'
      if (!reply.sent) reply.hijack()
      return
    }
    const answer = this.delivery.ended ?? clientError(error, false)
    if (!reply.sent) reply.send(answer)
    else cutOff(reply.raw, true)
  }

  lastWords (error: Error): Buffer {
    const { delivery } = this
    return errorEvent(describeError(delivery.ended ?? clientError(error, true)).body, delivery.call?.atEventBoundary ?? true)
  }

  /** The router ends the request before it was answered in full. */
  end (error: Error): void {
    const { reply } = this
    this.request.routerFailure = String(describeError(error).body.error.code)
    this.delivery.abandon(error)
    // nothing was under way that could have failed, and no answer that could have ended
    if (reply.sent || reply.raw.headersSent) return
    this.gone = true
    reply.send(error)
  }

  /** The reply is closed. */
  closed (): void {
    if (isComplete(this.reply.raw)) return
    this.gone = true
    this.delivery.abandon()
  }
}
