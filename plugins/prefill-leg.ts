// The prefill leg of a request: its own choice of a worker, its own attempts, and an answer that is taken whole.
import { collect } from '../core/collect.ts'
import type { CollectedAnswer } from '../core/collect.ts'
import { kDelivery } from '../core/delivery.ts'
import type { AnswerHead, Attempt, Delivery, Setback } from '../core/delivery.ts'
import { LegWithdrawnError, PrefillFailedError } from '../core/errors.ts'
import type { Exchange } from '../core/exchange.ts'
import { retryableStatuses } from '../core/retry.ts'
import type { Worker } from '../core/worker.ts'
import type { PromptBacklog } from '../disaggregation/backlog.ts'
import type { Plan } from '../disaggregation/index.ts'
import { prefillBody } from '../disaggregation/legs.ts'
import { readPrefillAnswer } from '../disaggregation/prefill-answer.ts'
import type { PrefillAnswer } from '../disaggregation/prefill-answer.ts'
import type { Finished } from '../policies/policy.ts'
import type { Call } from './call.ts'
import { RequestDelivery } from './request-delivery.ts'
import type { DeliveryRequest, Tries } from './request-delivery.ts'

/** Longest answer of a prefill worker: one token, but maybe the logprobs of a whole prompt. */
export const longestPrefillAnswer = 64 * 1024 * 1024

/** How a lease ends that no call was made of. */
export const unused: Finished = {
  ok: false, firstByteMs: undefined, durationMs: 0, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined
}

/** A prefill that brought no KV cache. */
export type PrefillFailure =
  /** The request itself was refused: another worker would refuse it, too. */
  | { readonly kind: 'refused', readonly call: Call, readonly answer: CollectedAnswer }
  | { readonly kind: 'failed', readonly call: Call | undefined, readonly error: Error, readonly answer: CollectedAnswer | undefined }

/** What became of a prefill. */
export type Prefilled = { readonly kind: 'done', readonly call: Call, readonly plan: Plan, readonly answer: PrefillAnswer } | PrefillFailure

/** What a prefill leg is made with. */
export interface PrefillLegOptions {
  readonly what: DeliveryRequest
  /** The client's. */
  readonly body: Buffer
  readonly tries: Tries
  /** The decode worker can do without. */
  readonly fallback: boolean
  readonly plan: (prefill: Worker, decode: Worker, requestId: string, concurrent: boolean) => Plan | undefined
  /** Knows what prefill workers have before them. */
  readonly backlog: PromptBacklog
}

/** May be begun again when it is over. */
export class PrefillLeg implements Delivery {
  readonly whole: NonNullable<Delivery['whole']>
  /** How the KV cache goes to the decode worker, as of the last attempt. */
  plan: Plan | undefined
  private readonly options: PrefillLegOptions
  private readonly delivery: RequestDelivery
  private decode: Worker | undefined
  private tokens = 0
  private first = true
  private read: PrefillAnswer | undefined

  constructor (options: PrefillLegOptions) {
    this.options = options
    const { what, tries, fallback } = options
    this.delivery = new RequestDelivery(what, { leg: 'prefill', role: 'prefill', impatient: fallback }, tries)
    this.whole = { bytes: longestPrefillAnswer, check: (status, body) => this.check(status, body) }
  }

  /** The call of the moment, or the last one. */
  get call (): Call | undefined {
    return this.delivery.call
  }

  /**
   * Starts the leg for a decode worker; undefined when no prefill worker can take it. Never rejects.
   * @param tokens about so many have to be computed; 0 where nobody wants to know
   */
  begin (decode: Worker, tokens: number): Promise<Prefilled> | undefined {
    this.decode = decode
    this.tokens = tokens
    this.plan = undefined
    this.first = true
    const options = { origin: '', path: '/', method: 'POST', body: null, [kDelivery]: this } as const
    return collect(this.options.what.fastify.upstream.dispatcher, options, longestPrefillAnswer)
      ?.then(answer => this.judge(answer), (error: Error): Prefilled => ({ kind: 'failed', call: this.call, error, answer: undefined }))
  }

  next (): Attempt | undefined {
    const { options: { what, body, plan: planFor }, delivery, decode } = this
    if (decode === undefined) return undefined
    while (true) {
      const assignment = delivery.choose()
      if (assignment === undefined) return undefined
      const { worker } = assignment
      const plan = planFor(worker, decode, what.request.id, this.first)
      const own = plan && prefillBody(body, what.route, plan.prefillParams)
      if (plan !== undefined && own !== undefined) {
        this.first = false
        this.plan = plan
        this.read = undefined
        const attempt = delivery.attempt(assignment, { body: own, requestId: plan.requestId })
        if (this.tokens > 0 && delivery.call !== undefined) this.options.backlog.begun(delivery.call, worker, this.tokens)
        return attempt
      }
      assignment.finish(unused)
      if (!delivery.exclude(worker)) return undefined
    }
  }

  pause (setback: Setback): number | undefined {
    // the decode worker waits for this very prefill worker
    return this.plan?.concurrent === true ? undefined : this.delivery.pause(setback)
  }

  /** Milliseconds until the leg may be begun again after it failed; undefined when it shall not be. */
  again (failure: PrefillFailure & { kind: 'failed' }): number | undefined {
    const { answer, error } = failure
    return this.delivery.pause(answer === undefined ? { kind: 'failed', error } : { kind: 'status', status: answer.status, headers: answer.flat })
  }

  answered (head: AnswerHead, exchange: Exchange): void {
    this.delivery.answered(head, exchange)
  }

  attach (abort: (reason: Error) => void): void {
    this.delivery.attach(abort)
  }

  underWay (): Call[] {
    return this.delivery.underWay()
  }

  /** Ends what is under way, without anybody being to blame. */
  withdraw (reason?: Error): void {
    this.delivery.withdraw(reason)
  }

  /** The decode worker beside it failed: a prefill that has not ended may be why, so another prefill worker comes next where there is one. */
  giveUp (): void {
    const { call } = this
    if (call !== undefined && call.exchange.end === undefined) this.delivery.exclude(call.assignment.worker)
    this.withdraw(new LegWithdrawnError())
  }

  private check (status: number, body: Buffer): Error | undefined {
    if (!isGood(status)) return undefined
    this.read = readPrefillAnswer(body)
    return this.read === undefined ? new PrefillFailedError('the answer is no JSON object') : undefined
  }

  private judge (answer: CollectedAnswer): Prefilled {
    const { call, plan, read } = this
    const { status } = answer
    if (isGood(status) && call !== undefined && plan !== undefined && read !== undefined) return { kind: 'done', call, plan, answer: read }
    const final = status >= 400 && status < 500 && !retryableStatuses.has(status)
    if (final && call !== undefined) return { kind: 'refused', call, answer }
    return { kind: 'failed', call, error: new PrefillFailedError(`status ${status}`), answer: isGood(status) ? undefined : answer }
  }
}

function isGood (status: number): boolean {
  return status >= 200 && status <= 299
}
