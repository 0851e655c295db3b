// The attempts of one request, one after the other, and what the request's handler sees of them: a single answer.
import type { Dispatcher } from 'undici'
import type { Clock, Timer } from './clock.ts'
import type { Attempt, Delivery, Setback } from './delivery.ts'
import { FirstByteTimeoutError, WorkerFramingError } from './errors.ts'
import { withoutBytes } from './failure.ts'
import { hasFramingFault, reasonOf, textHeaders } from './headers.ts'
import { retryableStatuses } from './retry.ts'

/** Longest error answer of a worker that is kept while others are tried; a longer one goes to the client as it comes. */
const keptBytes = 65_536

type Start = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>
type RawHeaders = NonNullable<Dispatcher.DispatchController['rawHeaders']> | null

/** An answer held back: until its first byte, or, of an error, until it is clear that no other attempt brings better. */
interface Held {
  readonly attempt: Attempt
  readonly rawHeaders: RawHeaders
  readonly flat: readonly string[]
  readonly status: number
  readonly headers: Start[2]
  readonly message: string
  readonly chunks: Buffer[]
  size: number
}

/** What the handler of the request controls: the attempt of the moment. */
class OuterController implements Dispatcher.DispatchController {
  rawHeaders: RawHeaders = null
  reason: Error | null = null
  current: Dispatcher.DispatchController | undefined
  private readonly aborting: (reason: Error) => void

  constructor (aborting: (reason: Error) => void) {
    this.aborting = aborting
  }

  get aborted (): boolean {
    return this.reason !== null
  }

  get paused (): boolean {
    return this.current?.paused ?? false
  }

  abort (reason?: Error): void {
    if (this.reason !== null) return
    this.reason = reason ?? new Error('aborted')
    this.aborting(this.reason)
  }

  pause (): void {
    this.current?.pause()
  }

  resume (): void {
    this.current?.resume()
  }
}

/**
 * One attempt, as undici's handler. Undici cannot take back a call that waits for its connection: an attempt given up
 * meanwhile is stopped when the connection comes, and nobody hears of it any more.
 */
class Trial implements Dispatcher.DispatchHandler {
  readonly attempt: Attempt
  /** Events of this attempt still count. */
  live = true
  controller: Dispatcher.DispatchController | undefined
  held: Held | undefined
  private readonly run: Run

  constructor (run: Run, attempt: Attempt) {
    this.run = run
    this.attempt = attempt
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    if (!this.live) {
      controller.abort(new Error('given up before the connection came'))
      return
    }
    this.controller = controller
    this.run.connected(controller)
    this.attempt.exchange.started(controller)
  }

  onResponseStart (...[controller, status, headers, message]: Start): void {
    // 103 Early Hints and the like come before the answer and are not it
    if (!this.live || status < 200) return
    const { attempt } = this
    const flat = textHeaders(controller.rawHeaders)
    if (hasFramingFault(flat)) {
      controller.abort(new WorkerFramingError())
      return
    }
    this.held = { attempt, rawHeaders: controller.rawHeaders ?? null, flat, status, headers, message: reasonOf(message), chunks: [], size: 0 }
    attempt.exchange.head(status, flat)
  }

  onResponseData (_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.live) return
    this.attempt.exchange.data(chunk)
    this.run.data(this, chunk)
  }

  onResponseEnd (...[, trailers]: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseEnd']>>): void {
    if (!this.live) return
    this.live = false
    this.attempt.exchange.completed()
    this.run.ended(this, trailers)
  }

  /** Undici's error, or what ended the attempt from this side; the second one is not heard. */
  onResponseError (_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (!this.live) return
    this.live = false
    withoutBytes(error)
    this.attempt.exchange.failed(error)
    this.run.failed(this, error)
  }

  /** Ends the attempt from this side, in whatever phase it is. */
  stop (reason: Error): void {
    if (this.controller === undefined) this.onResponseError(undefined, reason)
    else this.controller.abort(reason)
  }
}

/** One request. `begin` makes the first attempt; all else follows from what becomes of it. */
export class Run {
  private readonly dispatch: Dispatcher.Dispatch
  private readonly options: Dispatcher.DispatchOptions
  private readonly inner: Dispatcher.DispatchHandler
  private readonly delivery: Delivery
  private readonly clock: Clock
  private readonly outer = new OuterController(reason => this.aborted(reason))
  private trial: Trial | undefined
  /** The client gets an answer: no way back. */
  private relaying = false
  private over = false
  /** The last error answer of a worker. */
  private kept: Held | undefined
  private limit: Timer | undefined
  private backoff: Timer | undefined

  constructor (dispatch: Dispatcher.Dispatch, options: Dispatcher.DispatchOptions, inner: Dispatcher.DispatchHandler, delivery: Delivery, clock: Clock) {
    this.dispatch = dispatch
    this.options = options
    this.inner = inner
    this.delivery = delivery
    this.clock = clock
  }

  /** False when nobody could take the request; its handler hears nothing then. */
  start (): boolean {
    const attempt = this.delivery.next()
    if (attempt === undefined) return false
    this.delivery.attach(reason => this.outer.abort(reason))
    // the handler's own call may end before any connection came about
    this.inner.onRequestStart?.(this.outer, undefined)
    this.send(attempt)
    return true
  }

  connected (controller: Dispatcher.DispatchController): void {
    this.outer.current = controller
  }

  data (trial: Trial, chunk: Buffer): void {
    const { held } = trial
    if (held !== undefined) {
      if (retryableStatuses.has(held.status)) {
        held.chunks.push(chunk)
        held.size += chunk.length
        if (held.size > keptBytes) this.relay(trial, held)
        return
      }
      this.relay(trial, held)
    }
    if (!this.over) this.inner.onResponseData?.(this.outer, chunk)
  }

  ended (trial: Trial, trailers: Start[2]): void {
    this.limit?.cancel()
    const { held } = trial
    if (held !== undefined) {
      if (retryableStatuses.has(held.status)) {
        this.kept = held
        this.setback(trial, { kind: 'status', status: held.status, headers: held.flat })
        return
      }
      this.relay(trial, held)
    }
    this.end(trailers)
  }

  failed (trial: Trial, error: Error): void {
    this.limit?.cancel()
    if (this.relaying) this.fail(error)
    else this.setback(trial, { kind: 'failed', error })
  }

  private send (attempt: Attempt): void {
    const { origin, path, headers, limitMs } = attempt
    const trial = new Trial(this, attempt)
    this.trial = trial
    this.outer.current = undefined
    if (limitMs !== undefined) this.limit = this.clock.after(limitMs, () => trial.stop(new FirstByteTimeoutError()))
    this.dispatch({ ...this.options, origin, path, headers }, trial)
  }

  /** From here on the client gets this answer. */
  private relay (trial: Trial, held: Held): void {
    trial.held = undefined
    this.limit?.cancel()
    this.relaying = true
    this.kept = undefined
    this.outer.rawHeaders = held.rawHeaders
    this.delivery.answered({ headers: held.flat, message: held.message }, held.attempt.exchange)
    this.inner.onResponseStart?.(this.outer, held.status, held.headers, held.message)
    for (const chunk of held.chunks) if (!this.over) this.inner.onResponseData?.(this.outer, chunk)
  }

  private setback (trial: Trial, setback: Setback): void {
    if (this.outer.reason !== null || trial.attempt.exchange.end === 'client_gone') {
      this.fail(this.outer.reason ?? new Error('the client is gone'))
      return
    }
    const pause = this.delivery.pause(setback)
    if (pause === undefined) this.giveUp(trial, setback)
    else if (pause <= 0) this.again(trial, setback)
    else this.backoff = this.clock.after(pause, () => this.again(trial, setback))
  }

  private again (trial: Trial, setback: Setback): void {
    this.backoff = undefined
    try {
      const attempt = this.delivery.next()
      if (attempt === undefined) this.giveUp(trial, setback)
      else this.send(attempt)
    } catch (error) {
      this.fail(asError(error))
    }
  }

  /** No attempt is left: the last answer a worker gave, or else what went wrong last. */
  private giveUp (trial: Trial, setback: Setback): void {
    const { kept } = this
    if (kept === undefined) {
      this.fail(setback.kind === 'failed' ? setback.error : new Error('no answer'))
      return
    }
    this.outer.current = undefined
    try {
      this.relay(trial, kept)
      this.end({})
    } catch (error) {
      // nothing is left that would catch it: the attempt is over
      this.fail(asError(error))
    }
  }

  private end (trailers: Start[2]): void {
    if (this.over) return
    this.over = true
    this.inner.onResponseEnd?.(this.outer, trailers)
  }

  private fail (error: Error): void {
    if (this.over) return
    this.over = true
    this.kept = undefined
    this.limit?.cancel()
    this.inner.onResponseError?.(this.outer, error)
  }

  /** The client is gone, or the handler has had enough: whatever goes on ends, and nothing follows. */
  private aborted (reason: Error): void {
    if (this.over) return
    this.backoff?.cancel()
    this.backoff = undefined
    if (this.trial?.live === true) this.trial.stop(reason)
    else this.fail(reason)
  }
}

function asError (error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
