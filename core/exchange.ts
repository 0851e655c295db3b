// One call to one worker, seen from outside: when it began, what came, who ended it. It is settled exactly once.
import type { Dispatcher } from 'undici'
import type { Clock } from './clock.ts'

/**
 * How a call ended: `completed` (the worker answered to the end, whatever the status), `failed` (no answer came), `broken`
 * (the answer broke off), `client_gone` (the client left first).
 */
export type End = 'completed' | 'failed' | 'broken' | 'client_gone'

/** Who wants to hear of a call. Called in the order of the members; `settled` once, and last. */
export interface ExchangeObserver {
  /** The worker's status line and headers came. */
  head? (exchange: Exchange): void
  /** The first byte of the answer's body came. */
  firstByte? (exchange: Exchange): void
  /** One more piece of the answer's body, `gap` milliseconds after the one before. */
  chunk? (exchange: Exchange, chunk: Buffer, gap: number): void
  settled (exchange: Exchange): void
}

const clientGone = new Error('the client is gone')

/** The account of one call. The dispatcher tells it what happens upstream, the reply tells it when the client leaves. */
export class Exchange {
  readonly startedAt: number
  /** Status of the answer; 0 until it came. */
  status = 0
  /** The answer's headers, flat. */
  headers: readonly string[] = []
  /** When the answer's head came, on the clock's scale. */
  headAt: number | undefined
  /** When the first byte of the body came, on the clock's scale. */
  firstByteAt: number | undefined
  endedAt: number | undefined
  end: End | undefined
  /** What failed or broke. */
  error: Error | undefined
  private lastByteAt = 0
  private controller: Dispatcher.DispatchController | undefined
  private ending: Error | undefined
  private readonly clock: Clock
  private readonly observer: ExchangeObserver

  constructor (clock: Clock, observer: ExchangeObserver) {
    this.clock = clock
    this.observer = observer
    this.startedAt = clock.now()
  }

  /** The request goes to a connection. It may have waited for one, and the client may have left meanwhile. */
  started (controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.ending !== undefined) controller.abort(this.ending)
    else if (this.end !== undefined) controller.abort(clientGone)
  }

  head (status: number, headers: readonly string[]): void {
    if (this.end !== undefined) return
    this.headAt = this.clock.now()
    this.status = status
    this.headers = headers
    this.observer.head?.(this)
  }

  data (chunk: Buffer): void {
    if (this.end !== undefined) return
    const now = this.clock.now()
    if (this.firstByteAt === undefined) {
      this.firstByteAt = now
      this.observer.firstByte?.(this)
      this.observer.chunk?.(this, chunk, 0)
    } else {
      this.observer.chunk?.(this, chunk, now - this.lastByteAt)
    }
    this.lastByteAt = now
  }

  completed (): void {
    this.settle('completed')
  }

  failed (error: Error): void {
    if (this.end === undefined) this.error = error
    this.settle(this.status === 0 ? 'failed' : 'broken')
  }

  /**
   * The client left, or the router cannot wait: the worker's connection is closed at once, in whatever phase the call is, and
   * the worker is not to blame.
   */
  abandon (reason: Error = clientGone): void {
    if (this.end !== undefined) return
    this.ending = reason
    try {
      this.settle('client_gone')
    } finally {
      // whatever an observer does, the engine must stop
      this.controller?.abort(reason)
    }
  }

  /** The worker shall not answer any more: its connection is closed, and the call fails as if the worker had done so. */
  cut (reason: Error): void {
    if (this.end !== undefined) return
    this.ending = reason
    this.controller?.abort(reason)
  }

  private settle (end: End): void {
    if (this.end !== undefined) return
    this.end = end
    this.endedAt = this.clock.now()
    this.observer.settled(this)
  }
}
