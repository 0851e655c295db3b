// The attempts of one request: which worker each goes to, and whether another follows.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../core/clock.ts'
import type { AnswerHead, Attempt, Delivery, Setback } from '../core/delivery.ts'
import type { Exchange } from '../core/exchange.ts'
import { failureKind, isRefusedHere } from '../core/failure.ts'
import { headersForWorker } from '../core/headers.ts'
import { backoff } from '../core/retry.ts'
import type { Worker } from '../core/worker.ts'
import type { RequestRouting } from '../openai/routing.ts'
import { Call } from './call.ts'
import type { Retries } from './retry.ts'

/** What does not change from attempt to attempt. */
export interface DeliveryRequest {
  readonly fastify: FastifyInstance
  readonly request: FastifyRequest
  readonly routing: RequestRouting
  readonly clock: Clock
  /** Path and query for the worker, without its base path. */
  readonly path: string
  readonly route: string
  /** The request makes tokens. */
  readonly generation: boolean
  /** The worker that must answer, because only it can. */
  readonly pinned: Worker | undefined
  /** Beginning of the id of the response being made, where it is to be remembered. */
  readonly makes: string | undefined
  /** Milliseconds for all attempts together, to the first byte of the answer. */
  readonly deadlineMs: number
  /** Milliseconds for one attempt, to the first byte of the answer; 0 = no limit of its own. */
  readonly firstByteMs: number
  /** The client's own `Authorization` was meant for the router. */
  readonly withoutClientAuthorization: boolean
  /** Told of every choice. */
  readonly chosen: (call: Call) => void
  /** Told whose answer the client gets, where that is not the last choice. */
  readonly returned: (call: Call) => void
}

/** Decides attempt by attempt. */
export class RequestDelivery implements Delivery {
  /** The attempt of the moment; in the end the one whose answer the client gets, or the last one. */
  call: Call | undefined
  /** The head of the answer that goes to the client, once there is one. */
  head: AnswerHead = { headers: [], message: '' }
  /** Why the router ended the request before it was answered in full. */
  ended: Error | undefined
  private readonly what: DeliveryRequest
  private readonly startedAt: number
  private readonly made: Call[] = []
  private tried: Set<Worker> | undefined
  private abort: ((reason: Error) => void) | undefined

  constructor (what: DeliveryRequest) {
    this.what = what
    this.startedAt = what.clock.now()
  }

  attach (abort: (reason: Error) => void): void {
    this.abort = abort
  }

  answered (head: AnswerHead, exchange: Exchange): void {
    this.head = head
    const call = this.made.find(call => call.exchange === exchange)
    if (call === undefined) return
    if (call !== this.call) this.what.returned(call)
    this.call = call
    this.what.fastify.calls.emit('answered', call)
  }

  next (): Attempt | undefined {
    const { fastify, request, routing, clock, pinned } = this.what
    const assignment = fastify.balancer.assign('regular', routing, pinned, this.tried)
    if (assignment === undefined) {
      if (this.call !== undefined) fastify.calls.emit('exhausted', this.call)
      return undefined
    }
    const { worker } = assignment
    const call = new Call(fastify.calls, clock, assignment, this.what.route, this.what.generation, this.what.makes)
    this.call = call
    this.made.push(call)
    this.what.chosen(call)
    if (this.what.generation) fastify.calls.emit('started', call, routing.stream)
    const { firstByteMs } = this.what
    const left = Math.max(this.remaining(), 1)
    return {
      origin: worker.origin,
      path: worker.basePath + this.what.path,
      headers: headersForWorker(request.raw.rawHeaders, {
        requestId: request.id,
        rank: worker.rankHeader,
        authorization: fastify.upstream.authorization,
        withoutClientAuthorization: this.what.withoutClientAuthorization
      }),
      exchange: call.exchange,
      limitMs: firstByteMs > 0 ? Math.min(firstByteMs, left) : left
    }
  }

  pause (setback: Setback): number | undefined {
    const { call } = this
    if (call === undefined) return undefined
    const pause = this.decide(setback, call.assignment.worker)
    const { calls } = this.what.fastify
    if (pause !== undefined) calls.emit('retry', call, pause, this.made.length)
    else if (this.made.length > 1) calls.emit('exhausted', call)
    return pause
  }

  /** The client left, or the router ends the request with the error given, which the client is to see. */
  abandon (ended?: Error): void {
    this.ended = ended
    this.call?.exchange.abandon(ended)
    this.abort?.(ended ?? new Error('the client is gone'))
  }

  private remaining (): number {
    return this.what.deadlineMs - (this.what.clock.now() - this.startedAt)
  }

  private decide (setback: Setback, worker: Worker): number | undefined {
    const { fastify, routing, pinned, clock } = this.what
    const { balancer, workers } = fastify
    // the retry plugin is optional
    const retries = retriesOf(fastify)
    if (retries === undefined) return undefined
    const options = retries.options()
    if (this.made.length >= options.maxAttempts || pinned !== undefined) return undefined
    // what undici would not send to this worker it will not send to another
    if (setback.kind === 'failed' && isRefusedHere(setback.error)) return undefined
    this.tried = (this.tried ?? new Set()).add(worker)
    const candidates = balancer.candidates('regular', routing)
    let pause = backoff(this.made.length, options, retries.random())
    if (candidates.workers.length === 0 && balancer.lastResort('regular', routing) === undefined) {
      // everybody is held back: worth waiting for only if somebody comes back soon
      const soonest = Math.min(...workers.held('regular', routing.model).map(held => Math.max(...held.holds.values())))
      const wait = soonest - clock.now()
      if (!(wait <= options.maxBackoffMs)) return undefined
      // a little later than the first moment: not all who wait come at once, and the worker is a candidate by then
      pause += Math.max(0, Math.ceil(wait)) + 2
    } else if (setback.kind === 'failed' && failureKind(setback.error) === 'refused' && candidates.workers.some(other => this.tried?.has(other) === false)) {
      // no connection came about, and another has not been asked
      pause = 0
    }
    return pause < this.remaining() && retries.budget.take() ? pause : undefined
  }
}

/** The retry plugin's decoration, where it is registered. */
export function retriesOf (fastify: FastifyInstance): Retries | undefined {
  return fastify.hasDecorator('retries') ? fastify.retries : undefined
}
