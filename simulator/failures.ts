// Failures on demand: what a worker does wrong, to which requests, and how often.
import { connect } from 'node:net'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock, Timer } from '../core/clock.ts'

const modes = ['none', 'status', 'delay', 'hang', 'refuse', 'reset', 'reset_stream'] as const

/**
 * `status` answers with an error status; `delay` answers late; `hang` accepts and never answers; `refuse` stops listening
 * and cuts every connection; `reset` resets the connection before the response head; `reset_stream` cuts it within the
 * response of a generation; `none` is well.
 */
export type FailureMode = typeof modes[number]

/** A failure; it stays until cleared or used up. */
export interface Failure {
  readonly mode: FailureMode
  /** Status to answer with in mode `status`; default 500. */
  readonly status?: number
  /** Milliseconds, for mode `delay` (default 1000); in mode `refuse` the time until it listens again (default: until cleared). */
  readonly delayMs?: number
  /** Events of a stream sent before the cut in mode `reset_stream`; default 1. An answer that is no stream is cut in its middle. */
  readonly afterChunks?: number
  /** Requests it strikes; default: all until cleared. Without meaning in mode `refuse`. */
  readonly count?: number
  /** Path it strikes, or `*` for every path; default: every POST, so that probes and metrics stay well. */
  readonly path?: string
  /** The error's message in mode `status`. */
  readonly message?: string
  /** Seconds, sent as `Retry-After` in mode `status`. */
  readonly retryAfter?: number
}

/** The failure of a simulated worker, one at a time. */
export class Failures {
  private readonly server: Server
  private readonly clock: Clock
  private failure: Failure | undefined
  private left = Infinity
  private address: AddressInfo | undefined
  private timer: Timer | undefined

  constructor (server: Server, clock: Clock) {
    this.server = server
    this.clock = clock
  }

  /** The failure in force. */
  get current (): Failure {
    return this.failure ?? { mode: 'none' }
  }

  /** Replaces the failure in force. Resolves when it holds: with `refuse`, when connections are refused. */
  async set (failure: Failure): Promise<void> {
    if (!modes.includes(failure.mode)) throw new RangeError(`mode must be one of ${modes.join(', ')}`)
    await this.clear()
    if (failure.mode === 'none') return
    this.failure = failure
    this.left = failure.count ?? Infinity
    if (failure.mode === 'refuse') await this.refuse(failure.delayMs)
  }

  /** Ends the failure. Resolves when the worker listens again, if it had stopped. */
  async clear (): Promise<void> {
    this.failure = undefined
    this.timer?.cancel()
    const address = this.address
    this.address = undefined
    if (address === undefined) return
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen({ host: address.address, port: address.port }, () => {
        this.server.off('error', reject)
        resolve()
      })
    })
  }

  /** The same as `clear`, by the name that goes with `refuse`. */
  async recover (): Promise<void> {
    await this.clear()
  }

  /** The failure that strikes this request, counted as used. */
  take (method: string, path: string): Failure | undefined {
    const failure = this.failure
    if (failure === undefined || failure.mode === 'refuse') return undefined
    if (failure.path === undefined ? method !== 'POST' : failure.path !== '*' && failure.path !== path) return undefined
    if (--this.left <= 0) this.failure = undefined
    return failure
  }

  /** Stops listening for good; for the end of the worker. */
  dispose (): void {
    this.timer?.cancel()
    this.address = undefined
  }

  private async refuse (milliseconds?: number): Promise<void> {
    const address = this.server.address()
    if (address === null || typeof address === 'string') return
    this.address = address
    this.server.close()
    this.server.closeAllConnections()
    await refused(address)
    if (milliseconds !== undefined) this.timer = this.clock.after(milliseconds, () => { this.recover().catch(() => {}) })
  }
}

/** Resolves once nobody listens there. */
function refused (address: AddressInfo): Promise<void> {
  return new Promise(resolve => {
    const socket = connect(address.port, address.address)
    socket.once('error', () => resolve())
    socket.once('connect', () => {
      socket.destroy()
      resolve(refused(address))
    })
  })
}
