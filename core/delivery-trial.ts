// One attempt of a request as its connection sees it, and the answer it holds back.
import type { Dispatcher } from 'undici'
import type { Attempt, StreamChange, WholeChange } from './delivery.ts'
import type { Exchange } from './exchange.ts'
import { withoutBytes } from './failure.ts'
import type { FlatHandler } from './flat-handler.ts'
import { reasonOf, textHeaders, withContentLength } from './headers.ts'

/** An answer held back: until its first byte, until it is complete, or, of an error, until it is clear that no other attempt brings better. */
export interface Held {
  readonly exchange: Exchange
  /** Headers, as they came. */
  flat: string[]
  readonly status: number
  readonly message: string
  /** Bytes that may be held; 0 = it goes out with its first byte. */
  readonly limit: number
  /** An error that another attempt may not have. */
  readonly retryable: boolean
  change: WholeChange | StreamChange | undefined
  chunks: Buffer[]
  size: number
}

/** Makes the head fit a body of another length, or of one that is not known yet. */
export function setLength (held: Held, length: number | undefined): void {
  const flat = withContentLength(held.flat, length)
  if (flat !== held.flat) held.flat = [...flat]
}

/** Who makes the attempts. */
export interface TrialOwner {
  /** The attempt has its connection. */
  connected (controller: Dispatcher.DispatchController): void
  /** The head of an answer came; what is to be held of it. */
  head (attempt: Attempt, status: number, flat: readonly string[]): Pick<Held, 'limit' | 'retryable' | 'change'>
  data (trial: Trial, chunk: Buffer): void
  /** @param trailers flat */
  ended (trial: Trial, trailers: string[]): void
  failed (trial: Trial, error: Error): void
}

/**
 * One attempt, as a dispatcher's handler. A call that waits for its connection cannot be taken back: an attempt given up
 * meanwhile is stopped when the connection comes, and nobody hears of it any more.
 */
export class Trial implements FlatHandler {
  readonly takesFlatHeaders = true
  readonly attempt: Attempt
  /** Events of this attempt still count. */
  live = true
  controller: Dispatcher.DispatchController | undefined
  held: Held | undefined
  private readonly owner: TrialOwner

  constructor (owner: TrialOwner, attempt: Attempt) {
    this.owner = owner
    this.attempt = attempt
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    if (!this.live) {
      controller.abort(new Error('given up before the connection came'))
      return
    }
    this.controller = controller
    this.owner.connected(controller)
    this.attempt.exchange.started(controller)
  }

  onResponseStart (...[controller, status, , message]: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    if (!this.live) return
    const { exchange } = this.attempt
    const flat = textHeaders(controller.rawHeaders)
    const { limit, retryable, change } = this.owner.head(this.attempt, status, flat)
    this.held = { exchange, flat, status, message: reasonOf(message), limit, retryable, change, chunks: [], size: 0 }
    exchange.head(status, flat)
  }

  onResponseData (_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.live) return
    this.attempt.exchange.data(chunk)
    this.owner.data(this, chunk)
  }

  onResponseEnd (controller: Dispatcher.DispatchController): void {
    if (!this.live) return
    this.live = false
    this.attempt.exchange.completed()
    this.owner.ended(this, textHeaders(controller.rawTrailers))
  }

  /** The dispatcher's error, or what ended the attempt from this side; the second one is not heard. */
  onResponseError (_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (!this.live) return
    this.live = false
    withoutBytes(error)
    this.attempt.exchange.failed(error)
    this.owner.failed(this, error)
  }

  /** Ends the attempt from this side, in whatever phase it is. */
  stop (reason: Error): void {
    if (this.controller === undefined) this.onResponseError(undefined, reason)
    else this.controller.abort(reason)
  }
}
