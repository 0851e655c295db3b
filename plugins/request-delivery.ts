// The attempts of one request, or of one leg of it: which worker each goes to, and whether another follows.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Clock } from '../core/clock.ts'
import type { AnswerHead, Attempt, Delivery, Rewrite, Setback } from '../core/delivery.ts'
import type { Exchange } from '../core/exchange.ts'
import { failureKind, isRefusedHere } from '../core/failure.ts'
import { headersForWorker } from '../core/headers.ts'
import { backoff } from '../core/retry.ts'
import type { Role, Worker } from '../core/worker.ts'
import type { RequestRouting } from '../openai/routing.ts'
import { Call } from './call.ts'
import type { Leg, Split } from './call.ts'
import type { Assignment } from './load-balancer.ts'
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
  /** The error for a client whose request no worker of a role can take. */
  readonly nobody: (role: Role) => Error
}

/** A request's delivery, as those see it who answer the client. */
export interface ClientDelivery extends Delivery {
  /** The attempt of the moment; in the end the one whose answer the client gets, or the last one. */
  readonly call: Call | undefined
  /** The head of the answer that goes to the client, once there is one. */
  readonly head: AnswerHead
  /** Why the router ended the request before it was answered in full. */
  readonly ended: Error | undefined
  /** Calls that have not ended. */
  underWay (): Call[]
  /** The client left, or the router ends the request with the error given, which the client is to see. */
  abandon (ended?: Error): void
}

/** What all attempts at one request share, whatever leg they belong to. */
export class Tries {
  readonly startedAt: number
  /** Attempts that followed a setback. */
  retries = 0

  constructor (clock: Clock) {
    this.startedAt = clock.now()
  }
}

/** The part of a request that a delivery stands for. */
export interface Part {
  readonly leg: Leg
  readonly role: Role
  /** Something else can be done where no untried worker is left: it does not wait, and asks none twice. */
  readonly impatient: boolean
}

/** What an attempt sends and does other than the request says. */
export interface Shape {
  readonly leg?: Leg
  readonly body?: Buffer | undefined
  /** In place of the request's own id, which goes along as `x-correlation-id`. */
  readonly requestId?: string | undefined
  readonly rewrite?: Rewrite | undefined
  /** How the request was divided. */
  readonly split?: Split | undefined
}

const asItIs: Shape = {}

/** Decides attempt by attempt. */
export class RequestDelivery implements ClientDelivery {
  call: Call | undefined
  head: AnswerHead = { headers: [], message: '' }
  ended: Error | undefined
  private readonly what: DeliveryRequest
  private readonly part: Part
  private readonly tries: Tries
  private readonly made: Call[] = []
  private tried: Set<Worker> | undefined
  private abort: ((reason: Error) => void) | undefined

  constructor (what: DeliveryRequest, part?: Part, tries = new Tries(what.clock)) {
    this.what = what
    this.part = part ?? { leg: 'whole', role: what.fastify.balancer.answeringRole, impatient: false }
    this.tries = tries
  }

  attach (abort: (reason: Error) => void): void {
    this.abort = abort
  }

  answered (head: AnswerHead, exchange: Exchange): void {
    this.head = head
    const last = this.call
    const call = last?.exchange === exchange ? last : this.made.find(call => call.exchange === exchange)
    if (call === undefined) return
    this.call = call
    if (this.part.leg === 'prefill') return
    if (call !== last) this.what.returned(call)
    this.what.fastify.calls.emit('answered', call)
  }

  next (): Attempt | undefined {
    const assignment = this.choose()
    return assignment === undefined ? undefined : this.attempt(assignment, asItIs)
  }

  /** Chooses a worker and leases it; undefined when none can be had. Whoever makes no attempt of it must `finish` it. */
  choose (): Assignment | undefined {
    const { fastify, routing, pinned } = this.what
    const assignment = fastify.balancer.assign(this.part.role, routing, pinned, this.tried)
    if (assignment === undefined && this.call !== undefined && this.part.leg !== 'prefill') fastify.calls.emit('exhausted', this.call)
    return assignment
  }

  /** The attempt at a chosen worker. */
  attempt (assignment: Assignment, shape: Shape): Attempt {
    const { fastify, request, routing, clock, route, generation, makes, firstByteMs } = this.what
    const { worker } = assignment
    const leg = shape.leg ?? this.part.leg
    const call = new Call(fastify.calls, clock, assignment, route, generation, leg === 'prefill' ? undefined : makes)
    call.leg = leg
    call.split = shape.split
    this.call = call
    this.made.push(call)
    this.what.chosen(call)
    if (generation) fastify.calls.emit('started', call, leg !== 'prefill' && routing.stream)
    const left = Math.max(this.remaining(), 1)
    const { requestId } = shape
    return {
      origin: worker.origin,
      path: worker.basePath + this.what.path,
      headers: headersForWorker(request.raw.rawHeaders, {
        requestId: requestId ?? request.id,
        correlationId: requestId === undefined ? undefined : request.id,
        rank: worker.rankHeader,
        authorization: fastify.upstream.authorization,
        withoutClientAuthorization: this.what.withoutClientAuthorization
      }),
      exchange: call.exchange,
      limitMs: firstByteMs > 0 ? Math.min(firstByteMs, left) : left,
      body: shape.body,
      rewrite: shape.rewrite
    }
  }

  pause (setback: Setback): number | undefined {
    const { call } = this
    if (call === undefined) return undefined
    const pause = this.decide(setback, call.assignment.worker)
    const { calls } = this.what.fastify
    if (pause !== undefined) {
      this.tries.retries++
      calls.emit('retry', call, pause, this.made.length)
    } else if (this.made.length > 1 && this.part.leg !== 'prefill') calls.emit('exhausted', call)
    return pause
  }

  underWay (): Call[] {
    const { call } = this
    return call !== undefined && call.exchange.end === undefined ? [call] : []
  }

  abandon (ended?: Error): void {
    this.ended = ended
    this.withdraw(ended)
  }

  /** Ends what is under way, without anybody being to blame. */
  withdraw (reason?: Error): void {
    this.call?.exchange.abandon(reason)
    this.abort?.(reason ?? new Error('the client is gone'))
  }

  /** The worker cannot do this request: it is taken only where no other is left. False when it had been found out before. */
  exclude (worker: Worker): boolean {
    if (this.tried?.has(worker) === true) return false
    this.tried = (this.tried ?? new Set()).add(worker)
    return true
  }

  private remaining (): number {
    return this.what.deadlineMs - (this.what.clock.now() - this.tries.startedAt)
  }

  private decide (setback: Setback, worker: Worker): number | undefined {
    const { fastify, routing, pinned, clock } = this.what
    const { role, impatient } = this.part
    const { balancer, workers } = fastify
    // the retry plugin is optional
    const retries = retriesOf(fastify)
    if (retries === undefined) return undefined
    const options = retries.options()
    const attempts = this.tries.retries + 1
    if (attempts >= options.maxAttempts || pinned !== undefined) return undefined
    // what undici would not send to this worker it will not send to another
    if (setback.kind === 'failed' && isRefusedHere(setback.error)) return undefined
    this.exclude(worker)
    const candidates = balancer.candidates(role, routing)
    const untried = candidates.workers.some(other => this.tried?.has(other) === false)
    if (impatient && !untried) return undefined
    let pause = backoff(attempts, options, retries.random())
    if (candidates.workers.length === 0 && balancer.lastResort(role, routing) === undefined) {
      // everybody is held back: worth waiting for only if somebody comes back soon
      const soonest = Math.min(...workers.held(role, routing.model).map(held => Math.max(...held.holds.values())))
      const wait = soonest - clock.now()
      if (!(wait <= options.maxBackoffMs)) return undefined
      // a little later than the first moment: not all who wait come at once, and the worker is a candidate by then
      pause += Math.max(0, Math.ceil(wait)) + 2
    } else if (setback.kind === 'failed' && failureKind(setback.error) === 'refused' && untried) {
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
