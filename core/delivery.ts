// Brings one request to an answer: what its owner decides, what an attempt is, and the dispatch that makes them.
import type { Dispatcher } from 'undici'
import type { Clock } from './clock.ts'
import type { CollectedAnswer } from './collect.ts'
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
  /** Goes out in place of the request's own body. */
  readonly body?: Buffer | undefined
  /** Changes the answer on its way to the handler. */
  readonly rewrite?: Rewrite | undefined
}

/** Changes one answer on its way; asked when its head came. Nothing of the head changes but the length of the body. */
export interface Rewrite {
  /** How the body is to change; undefined when it passes as it is. `headers` are flat. */
  begin (status: number, headers: readonly string[]): WholeChange | StreamChange | undefined
}

/** Changes a body that is complete. It is held until then, so an answer that breaks off can be followed by another attempt. */
export interface WholeChange {
  /** Longest body that is held; a longer one passes as it is. */
  readonly bytes: number
  whole (body: Buffer): Buffer
  /** The body was too long. */
  passed? (): void
}

/** Changes a body piece by piece. */
export interface StreamChange {
  /** What may go on now; may be empty. */
  push (chunk: Buffer): Buffer
  /** What was held back, when nothing more comes. */
  end (): Buffer
}

/** An answer that came by another way and goes to the client as it is. */
export interface ReadyAnswer {
  readonly answer: CollectedAnswer
  /** The account of the call that brought it. */
  readonly exchange: Exchange
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

/** What comes next; undefined when nobody can take the request. */
export type Next = Attempt | ReadyAnswer | undefined

/** A request's attempts, as its owner decides them. */
export interface Delivery {
  /**
   * The next attempt; the first at once, each further one after `pause`. It may have to be prepared: then it is promised, and an
   * attempt that comes when the request is over is settled without being made.
   */
  next (): Next | Promise<Next>
  /** Milliseconds to wait before another attempt after a setback; undefined when there shall be none. */
  pause (setback: Setback): number | undefined
  /** The client gets the answer with this head; it is that of the attempt with this exchange, which need not be the last. */
  answered (head: AnswerHead, exchange: Exchange): void
  /** Hands over what ends the delivery when the client has left. */
  attach (abort: (reason: Error) => void): void
  /** The request ended while an attempt was being prepared: nothing follows any more. */
  stopped? (reason: Error): void
  /**
   * Answers are wanted whole: they are held up to so many bytes, and one that breaks off is a setback like any other. `check` says
   * what is wrong with a complete one, so that another attempt may follow.
   */
  readonly whole?: { readonly bytes: number, check (status: number, body: Buffer): Error | undefined }
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
