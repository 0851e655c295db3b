// A request that is split: the choice of a decode worker, the decision whether a prefill worker comes first, and what follows from what.
import { AnswerTooLongError } from '../core/collect.ts'
import type { AnswerHead, Attempt, Next, ReadyAnswer, Setback } from '../core/delivery.ts'
import { LegWithdrawnError } from '../core/errors.ts'
import type { Exchange } from '../core/exchange.ts'
import { failureKind } from '../core/failure.ts'
import type { Worker } from '../core/worker.ts'
import { answerRewrite } from '../disaggregation/answer-rewrite.ts'
import type { PromptBacklog } from '../disaggregation/backlog.ts'
import type { Plan } from '../disaggregation/index.ts'
import { decodeBody } from '../disaggregation/legs.ts'
import type { PrefillAnswer } from '../disaggregation/prefill-answer.ts'
import type { Json } from '../disaggregation/splice.ts'
import { whyAlone } from '../disaggregation/split-rule.ts'
import type { SplitLimits } from '../disaggregation/split-rule.ts'
import type { UncachedEstimate } from '../disaggregation/uncached.ts'
import type { Call } from './call.ts'
import type { Assignment } from './load-balancer.ts'
import { PrefillLeg, unused } from './prefill-leg.ts'
import type { Prefilled, PrefillFailure, PrefillLegOptions } from './prefill-leg.ts'
import { RequestDelivery, Tries } from './request-delivery.ts'
import type { ClientDelivery, DeliveryRequest } from './request-delivery.ts'

/**
 * Why a request goes the way it goes: `split` (a prefill worker comes first), `short` (the decode worker has little to compute),
 * `busy` (the prefill workers have too much before them for so little),
 * `no_prefill` (no prefill worker can take it), `prefill_failed` (all that were asked failed), `unsplittable` (its two legs would
 * not do what the one request does).
 */
export type SplitReason = 'split' | 'short' | 'busy' | 'no_prefill' | 'prefill_failed' | 'unsplittable'

/** Who hears of split requests. */
export interface SplitObserver {
  decided (reason: SplitReason): void
  /** The answer's head is there, so many milliseconds after the request was handed over first. */
  answered (route: string, milliseconds: number): void
  /** The prefill leg brought nothing in the end, or a prefill worker returned no parameters. */
  failed (kind: 'prefill_failed' | 'missing_transfer_params'): void
  /** A prefill worker returned this to be handed to a decode worker. */
  returned (prefill: Worker, params: Buffer): void
  /** No decode worker is known to have taken what a prefill worker keeps. */
  leaked (prefill: Worker): void
  /** Something was too long to be looked into. */
  overLimit (stage: 'prefill' | 'decode'): void
}

/** What a split request works with. */
export interface SplitContext {
  /** The decode worker may do it all where no prefill worker can. */
  readonly fallback: boolean
  readonly plan: PrefillLegOptions['plan']
  readonly limits: SplitLimits
  readonly estimate: UncachedEstimate
  readonly backlog: PromptBacklog
  readonly observer: SplitObserver
}

/** A KV cache between its two workers. */
interface Transfer {
  readonly plan: Plan
  /** Of the prefill worker. */
  readonly call: Call
  /** Whom it was planned for. */
  readonly decode: Worker
  readonly params: Json | undefined
  /** Milliseconds the decode worker waited for it. */
  readonly ms: number
  told: PrefillAnswer | undefined
  /** A decode worker answered with it. */
  taken: boolean
}

/** Decides leg by leg. */
export class DisaggregatedDelivery implements ClientDelivery {
  ended: Error | undefined
  private readonly what: DeliveryRequest
  private readonly context: SplitContext
  private readonly body: Buffer
  private readonly tries: Tries
  private readonly decode: RequestDelivery
  private readonly prefill: PrefillLeg
  /** The decode worker chosen, while the prefill goes on. */
  private target: Assignment | undefined
  private transfer: Transfer | undefined
  /** Why the decode worker does it all from here on. */
  private alone: SplitReason | undefined
  /** What became of a prefill whose decode worker waited for it in vain. */
  private failure: PrefillFailure | undefined
  private ready: ReadyAnswer | undefined
  private over = false

  constructor (what: DeliveryRequest, body: Buffer, context: SplitContext) {
    this.what = what
    this.body = body
    this.context = context
    this.tries = new Tries(what.clock)
    this.decode = new RequestDelivery(what, { leg: 'whole', role: 'decode', impatient: false }, this.tries)
    this.prefill = new PrefillLeg({ what, body, tries: this.tries, fallback: context.fallback, plan: context.plan, backlog: context.backlog })
  }

  get call (): Call | undefined {
    return this.decode.call ?? this.prefill.call
  }

  get head (): AnswerHead {
    return this.decode.head
  }

  attach (abort: (reason: Error) => void): void {
    this.decode.attach(abort)
  }

  next (): Next | Promise<Next> {
    const { ready } = this
    this.ready = undefined
    if (ready !== undefined) return ready
    const target = this.decode.choose()
    if (target === undefined) {
      this.lose()
      return undefined
    }
    const { transfer } = this
    if (transfer !== undefined) {
      if (transfer.plan.portable || transfer.decode === target.worker) return this.follow(target, transfer)
      this.lose()
    }
    if (this.alone !== undefined) return this.unsplit(target, this.alone)
    const uncached = this.uncached(target.worker)
    const alone = this.whyAlone(uncached)
    if (alone !== undefined) return this.decided(target, alone)
    if (!this.prefillServes()) return this.withoutPrefill(target)
    const startedAt = this.what.clock.now()
    const prefilled = this.prefill.begin(target.worker, uncached)
    const { plan, call } = this.prefill
    if (prefilled === undefined || plan === undefined || call === undefined) return this.withoutPrefill(target)
    this.context.observer.decided('split')
    if (plan.concurrent) return this.beside(target, plan, call, prefilled)
    this.target = target
    return prefilled.then(result => this.prefilled(target, result, this.what.clock.now() - startedAt))
  }

  pause (setback: Setback): number | undefined {
    const { failure, transfer } = this
    this.failure = undefined
    if (failure !== undefined) return this.again(failure)
    if (transfer !== undefined && (transfer.plan.concurrent || !isUntouched(setback))) {
      if (transfer.plan.concurrent) this.prefill.giveUp()
      const status = this.decode.call?.exchange.status ?? 0
      transfer.taken ||= status >= 200 && status <= 299
      this.lose()
    }
    const pause = this.decode.pause(setback)
    if (pause === undefined) this.lose()
    return pause
  }

  answered (head: AnswerHead, exchange: Exchange): void {
    this.decode.answered(head, exchange)
    const { call } = this.decode
    if (call?.exchange !== exchange) return
    const { clock, route, routing } = this.what
    this.context.observer.answered(route, clock.now() - this.tries.startedAt)
    if (exchange.status >= 400) {
      this.lose()
      return
    }
    if (this.transfer !== undefined && call.leg === 'decode') this.transfer.taken = true
    if (this.conditional) this.context.estimate.served(call.assignment.worker, routing.prefix)
  }

  underWay (): Call[] {
    return [...this.prefill.underWay(), ...this.decode.underWay()]
  }

  abandon (ended?: Error): void {
    this.ended = ended
    this.stopped(ended)
    this.decode.abandon(ended)
  }

  stopped (reason?: Error): void {
    if (this.over) return
    this.over = true
    this.target?.finish(unused)
    this.target = undefined
    this.prefill.withdraw(reason)
    this.lose()
  }

  /** Whether prompts are measured at all. */
  private get conditional (): boolean {
    return this.context.limits.minUncached > 0
  }

  /** Tokens of the prompt that a decode worker would have to compute; 0 where nothing depends on it. */
  private uncached (worker: Worker): number {
    return this.conditional ? this.context.estimate.tokens(worker, this.what.routing.prefix, this.what.route) : 0
  }

  private whyAlone (uncached: number): 'short' | 'busy' | undefined {
    const { limits, backlog } = this.context
    const { routing, fastify: { balancer } } = this.what
    return whyAlone(uncached, () => backlog.least(balancer.candidates('prefill', routing)), limits)
  }

  /** False where the model is known to be served by decode workers only. */
  private prefillServes (): boolean {
    const { routing: { model }, fastify: { workers } } = this.what
    return model === undefined || workers.serving('prefill', model) !== undefined || workers.serving('decode', model) === undefined
  }

  /** No prefill worker can take the request. */
  private withoutPrefill (target: Assignment): Attempt {
    if (this.context.fallback) return this.fallBack(target, 'no_prefill')
    target.finish(unused)
    throw this.what.nobody('prefill')
  }

  /** From here on the decode worker does it all, whichever it will be. */
  private fallBack (target: Assignment, reason: SplitReason): Attempt {
    this.alone = reason
    return this.decided(target, reason)
  }

  private decided (target: Assignment, reason: SplitReason): Attempt {
    this.context.observer.decided(reason)
    return this.unsplit(target, reason)
  }

  /** The decode worker does it all. */
  private unsplit (target: Assignment, reason: SplitReason): Attempt {
    return this.decode.attempt(target, { split: { prefill: undefined, reason, beforeMs: 0 } })
  }

  /** The decode leg. */
  private follow (target: Assignment, transfer: Transfer): Attempt {
    this.transfer = transfer
    const { plan: { requestId }, params, call } = transfer
    const { observer } = this.context
    return this.decode.attempt(target, {
      leg: 'decode',
      body: params === undefined ? undefined : decodeBody(this.body, params, !this.what.routing.mentionsKvTransferParams),
      requestId,
      rewrite: answerRewrite({
        prefill: () => transfer.told,
        id: requestId === undefined ? undefined : { legs: requestId, own: this.what.request.id },
        passed: () => observer.overLimit('decode')
      }),
      split: { prefill: call, reason: 'split', beforeMs: transfer.ms }
    })
  }

  /** Both legs at the same time. */
  private beside (target: Assignment, plan: Plan, call: Call, prefilled: Promise<Prefilled>): Attempt {
    const transfer: Transfer = { plan, call, decode: target.worker, params: plan.decodeParams(undefined), ms: 0, told: undefined, taken: false }
    const attempt = this.follow(target, transfer)
    void prefilled.then(result => {
      if (result.kind === 'done') {
        transfer.told = result.answer
        this.learn(result.call, result.answer)
      } else if (this.transfer === transfer && attempt.exchange.end === undefined && attempt.exchange.firstByteAt === undefined) {
        this.failure = result
        attempt.exchange.cut(new LegWithdrawnError())
      }
    })
    return attempt
  }

  /** The prefill is over: what comes next. */
  private prefilled (target: Assignment, result: Prefilled, ms: number): Next {
    this.target = undefined
    if (result.kind === 'done') {
      const transfer = this.received(result, target.worker, ms)
      if (!this.over) return this.follow(this.still(target, transfer), transfer)
      this.transfer = transfer
      this.lose()
    }
    if (this.over || result.kind === 'done') return undefined
    if (result.kind === 'refused') {
      target.finish(unused)
      this.what.returned(result.call)
      return { answer: result.answer, exchange: result.call.exchange }
    }
    if (result.error instanceof AnswerTooLongError) this.context.observer.overLimit('prefill')
    this.context.observer.failed('prefill_failed')
    if (this.context.fallback) return this.fallBack(target, 'prefill_failed')
    target.finish(unused)
    if (result.answer === undefined || result.call === undefined) throw result.error
    this.what.returned(result.call)
    return { answer: result.answer, exchange: result.call.exchange }
  }

  /** A prefill failed while its decode worker waited. */
  private again (failure: PrefillFailure): number | undefined {
    this.transfer = undefined
    if (failure.kind === 'failed') {
      const pause = this.prefill.again(failure)
      if (pause !== undefined) return pause
      this.context.observer.failed('prefill_failed')
      if (this.context.fallback) {
        this.alone = 'prefill_failed'
        this.context.observer.decided('prefill_failed')
        return 0
      }
    }
    if (failure.answer === undefined || failure.call === undefined) return undefined
    this.what.returned(failure.call)
    this.ready = { answer: failure.answer, exchange: failure.call.exchange }
    return 0
  }

  private received ({ plan, call, answer }: Prefilled & { kind: 'done' }, decode: Worker, ms: number): Transfer {
    const params = plan.decodeParams(answer.params)
    if (plan.expectsParams && params === undefined) this.context.observer.failed('missing_transfer_params')
    this.learn(call, answer)
    return { plan, call, decode, params, ms, told: answer, taken: false }
  }

  private learn (call: Call, { params, usage }: PrefillAnswer): void {
    const { observer, estimate } = this.context
    if (params !== undefined) observer.returned(call.assignment.worker, params)
    if (usage !== undefined && this.conditional) estimate.learn(this.what.route, this.what.routing.prefix.length, Number(usage.tokens))
  }

  /** The decode worker chosen, or another where that one went down or is leaving since the prefill began. */
  private still (target: Assignment, { plan }: Transfer): Assignment {
    if (target.worker.state === 'ready' || !plan.portable) return target
    const other = this.decode.choose()
    if (other === undefined) return target
    target.finish(unused)
    return other
  }

  /** Nobody will take the KV cache any more. */
  private lose (): void {
    const { transfer } = this
    this.transfer = undefined
    if (transfer === undefined || transfer.taken || transfer.call.exchange.end !== 'completed') return
    if (transfer.plan.expectsParams && transfer.params === undefined) return
    this.context.observer.leaked(transfer.call.assignment.worker)
  }
}

/** No decode worker can have begun to take the KV cache: it was not reached, or turned the request away at the door. */
function isUntouched (setback: Setback): boolean {
  return setback.kind === 'status' ? setback.status === 429 || setback.status === 503 : failureKind(setback.error) === 'refused'
}
