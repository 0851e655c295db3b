// The attempts of one request, one after the other, and what the request's handler sees of them: a single answer.
import type { Dispatcher } from 'undici'
import type { Clock, Timer } from './clock.ts'
import { joined } from './collect.ts'
import type { Attempt, Delivery, Next, ReadyAnswer, Setback, StreamChange } from './delivery.ts'
import { setLength, Trial } from './delivery-trial.ts'
import type { Held, TrialOwner } from './delivery-trial.ts'
import { FirstByteTimeoutError } from './errors.ts'
import { headersFor } from './flat-handler.ts'
import type { FlatController } from './flat-handler.ts'
import { retryableStatuses } from './retry.ts'

/** Longest error answer of a worker that is kept while others are tried; a longer one goes to the client as it comes. */
const keptBytes = 65_536

/** Most answers: they go out with their first byte. */
const asItComes: Pick<Held, 'limit' | 'retryable' | 'change'> = { limit: 0, retryable: false, change: undefined }
const asAnError: Pick<Held, 'limit' | 'retryable' | 'change'> = { limit: keptBytes, retryable: true, change: undefined }

/** What the handler of the request controls: the attempt of the moment. */
class OuterController implements FlatController {
  rawHeaders: string[] | null = null
  rawTrailers: string[] | null = null
  reason: Error | null = null
  current: FlatController | undefined
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

  get ending (): boolean {
    return this.current?.ending === true
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

  release (piece: Buffer): void {
    this.current?.release?.(piece)
  }
}

/** One request. `start` makes the first attempt; all else follows from what becomes of it. */
export class Run implements TrialOwner {
  private readonly dispatch: Dispatcher.Dispatch
  private readonly options: Dispatcher.DispatchOptions
  private readonly inner: Dispatcher.DispatchHandler
  private readonly delivery: Delivery
  private readonly clock: Clock
  private readonly outer = new OuterController(reason => this.aborted(reason))
  private trial: Trial | undefined
  /** An attempt is being prepared. */
  private preparing = false
  /** The client gets an answer: no way back. */
  private relaying = false
  private over = false
  /** The last error answer of a worker. */
  private kept: Held | undefined
  /** Changes what the client gets. */
  private change: StreamChange | undefined
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
    const next = this.delivery.next()
    if (next === undefined) return false
    this.delivery.attach(reason => this.outer.abort(reason))
    // the handler's own call may end before any connection came about
    this.inner.onRequestStart?.(this.outer, undefined)
    if (next instanceof Promise) this.prepare(next, undefined)
    else this.proceed(next)
    return true
  }

  connected (controller: Dispatcher.DispatchController): void {
    this.outer.current = controller
  }

  head (attempt: Attempt, status: number, flat: readonly string[]): Pick<Held, 'limit' | 'retryable' | 'change'> {
    if (retryableStatuses.has(status)) return asAnError
    const change = attempt.rewrite?.begin(status, flat)
    const { whole } = this.delivery
    if (change === undefined && whole === undefined) return asItComes
    return { limit: whole?.bytes ?? (change !== undefined && 'bytes' in change ? change.bytes : 0), retryable: false, change }
  }

  data (trial: Trial, chunk: Buffer): void {
    const { held } = trial
    if (held !== undefined) {
      if (held.limit > 0) {
        held.chunks.push(chunk)
        held.size += chunk.length
        // an error has come when it is complete; of all else the first byte was waited for
        if (!held.retryable) this.limit?.cancel()
        if (held.size > held.limit) this.relay(trial, held)
        return
      }
      this.relay(trial, held)
    }
    this.pass(chunk)
  }

  ended (trial: Trial, trailers: string[]): void {
    this.limit?.cancel()
    const { held } = trial
    if (held !== undefined) {
      if (held.retryable) {
        this.kept = held
        this.setback(trial, { kind: 'status', status: held.status, headers: held.flat })
        return
      }
      const flaw = this.flawOf(held)
      if (flaw !== undefined) {
        this.setback(trial, { kind: 'failed', error: flaw })
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

  private proceed (next: Attempt | ReadyAnswer): void {
    if ('answer' in next) this.hand(next)
    else this.send(next)
  }

  /** Waits for an attempt that is being prepared. */
  private prepare (promised: Promise<Next>, setback: Setback | undefined): void {
    this.preparing = true
    promised.then(next => {
      this.preparing = false
      if (this.over) next?.exchange.abandon()
      else if (next !== undefined) this.proceed(next)
      else this.giveUp(setback)
    }).catch((error: unknown) => {
      this.preparing = false
      this.fail(asError(error))
    })
  }

  private send (attempt: Attempt): void {
    const { origin, path, headers, limitMs, body } = attempt
    const trial = new Trial(this, attempt)
    this.trial = trial
    this.outer.current = undefined
    if (limitMs !== undefined) this.limit = this.clock.after(limitMs, () => trial.stop(new FirstByteTimeoutError()))
    const { method, body: own = null, headersTimeout = null, bodyTimeout = null } = this.options
    this.dispatch({ origin, path, method, headers, body: body ?? own, headersTimeout, bodyTimeout }, trial)
  }

  /** An answer that is there: it goes out, and that is all. */
  private hand ({ answer, exchange }: ReadyAnswer): void {
    const { body, ...head } = answer
    this.outer.current = undefined
    this.relay(undefined, { ...head, exchange, ...asItComes, chunks: [body], size: body.length })
    this.end([])
  }

  /** What speaks against a complete answer. */
  private flawOf ({ status, chunks }: Held): Error | undefined {
    const { whole } = this.delivery
    if (whole === undefined) return undefined
    return whole.check(status, joined(chunks))
  }

  /** From here on the client gets this answer: all of it, or what there is of it so far. */
  private relay (trial: Trial | undefined, held: Held): void {
    if (trial !== undefined) trial.held = undefined
    this.limit?.cancel()
    this.relaying = true
    this.kept = undefined
    const { change } = held
    if (change !== undefined) {
      if (!('bytes' in change)) {
        this.change = change
        setLength(held, undefined)
      } else if (held.size > held.limit) change.passed?.()
      else if (held.size > 0) {
        const before = joined(held.chunks)
        const after = change.whole(before)
        held.chunks = [after]
        if (after !== before) setLength(held, after.length)
      }
    }
    this.outer.rawHeaders = held.flat
    this.delivery.answered({ headers: held.flat, message: held.message }, held.exchange)
    this.inner.onResponseStart?.(this.outer, held.status, headersFor(this.inner, held.flat), held.message)
    for (const chunk of held.chunks) this.pass(chunk)
  }

  /** One more piece for the client. */
  private pass (chunk: Buffer): void {
    if (this.over) return
    const { change } = this
    const changed = change === undefined ? chunk : change.push(chunk)
    if (changed.length > 0) this.inner.onResponseData?.(this.outer, changed)
  }

  /** What a change held back. */
  private flush (): void {
    const { change } = this
    if (change === undefined || this.over) return
    this.change = undefined
    const rest = change.end()
    if (rest.length > 0) this.inner.onResponseData?.(this.outer, rest)
  }

  private setback (trial: Trial, setback: Setback): void {
    if (this.outer.reason !== null || trial.attempt.exchange.end === 'client_gone') {
      this.fail(this.outer.reason ?? new Error('the client is gone'))
      return
    }
    const pause = this.delivery.pause(setback)
    if (pause === undefined) this.giveUp(setback)
    else if (pause <= 0) this.again(setback)
    else this.backoff = this.clock.after(pause, () => this.again(setback))
  }

  private again (setback: Setback): void {
    this.backoff = undefined
    try {
      const next = this.delivery.next()
      if (next instanceof Promise) this.prepare(next, setback)
      else if (next === undefined) this.giveUp(setback)
      else this.proceed(next)
    } catch (error) {
      this.fail(asError(error))
    }
  }

  /** No attempt is left: the last answer a worker gave, or else what went wrong last. */
  private giveUp (setback: Setback | undefined): void {
    const { kept } = this
    if (kept === undefined) {
      this.fail(setback?.kind === 'failed' ? setback.error : new Error('no answer'))
      return
    }
    this.outer.current = undefined
    try {
      this.relay(undefined, kept)
      this.end([])
    } catch (error) {
      // nothing is left that would catch it: the attempt is over
      this.fail(asError(error))
    }
  }

  private end (trailers: string[]): void {
    this.flush()
    if (this.over) return
    this.over = true
    this.outer.rawTrailers = trailers
    this.inner.onResponseEnd?.(this.outer, headersFor(this.inner, trailers))
  }

  private fail (error: Error): void {
    if (this.over) return
    // what came so far is the client's: what follows it must begin where it ends
    if (this.outer.reason === null) this.flush()
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
    if (this.preparing) this.delivery.stopped?.(reason)
    if (this.trial?.live === true) this.trial.stop(reason)
    else this.fail(reason)
  }
}

function asError (error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
