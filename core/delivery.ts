// Brings one request to an answer: what its owner decides, what an attempt is, and the dispatch that makes them.
import type { Dispatcher } from 'undici'
import type { Clock } from './clock.ts'
import { Run } from './delivery-run.ts'
import type { Exchange } from './exchange.ts'

/** One attempt: where it goes, and the account of it. */
export interface Attempt {
  readonly origin: string
  readonly path: string
  /** Flat. */
  readonly headers: string[]
  readonly exchange: Exchange
  /** Milliseconds until the first byte of the answer's body must be there; undefined = no limit. */
  readonly limitMs: number | undefined
}

/** Why an attempt is no answer for the client yet: it failed before the first byte, or the worker answered with an error that another may not have. */
export type Setback =
  | { readonly kind: 'failed', readonly error: Error }
  | { readonly kind: 'status', readonly status: number, readonly headers: readonly string[] }

/** The head of the answer that goes to the client. */
export interface AnswerHead {
  /** Flat, as the worker sent them. */
  readonly headers: readonly string[]
  /** The words beside the status. */
  readonly message: string
}

/** A request's attempts, as its owner decides them. */
export interface Delivery {
  /** The next attempt; the first at once, each further one after `pause`. Undefined when nobody can take the request. */
  next (): Attempt | undefined
  /** Milliseconds to wait before another attempt after a setback; undefined when there shall be none. */
  pause (setback: Setback): number | undefined
  /** The client gets the answer with this head; it is that of the attempt with this exchange, which need not be the last. */
  answered (head: AnswerHead, exchange: Exchange): void
  /** Hands over what ends the delivery when the client has left. */
  attach (abort: (reason: Error) => void): void
}

/** Under this key a request's delivery travels on the dispatch options. Undici ignores keys that are symbols. */
export const kDelivery: unique symbol = Symbol('vllm-router.delivery')

/** Wraps a dispatch so that requests which carry a delivery are tried until one attempt answers; the handler sees one answer only. */
export function delivering (clock: Clock): Dispatcher.DispatcherComposeInterceptor {
  return dispatch => (options, handler) => {
    const { [kDelivery]: delivery } = options as { [kDelivery]?: Delivery }
    return delivery === undefined ? dispatch(options, handler) : new Run(dispatch, options, handler, delivery, clock).start()
  }
}
