// One request on its way: what its handler controls, and what it is told.
import { headersFor } from '../flat-handler.ts'
import type { FlatController, FlatHandler } from '../flat-handler.ts'
import type { Connection } from './connection.ts'
import { release } from './pieces.ts'
import type { RequestBody } from './request-bytes.ts'
import type { ResponseHead } from './response-head.ts'

const ascii = /^[\x20-\x7e]*$/

/** A request as its connection sends it, and the controller of its handler. */
export class Call implements FlatController {
  rawHeaders: string[] | null = null
  rawTrailers: string[] | null = null
  aborted = false
  paused = false
  ending = false
  reason: Error | null = null
  /** Nothing more is told. */
  over = false
  /** The head of the answer came. */
  answered = false
  /** Milliseconds without a byte: until the head, and within the body; 0 = no limit. */
  readonly headMs: number
  readonly bodyMs: number
  readonly method: string
  readonly head: string
  readonly body: RequestBody
  connection: Connection | undefined
  private readonly handler: FlatHandler

  constructor (handler: FlatHandler, method: string, head: string, body: RequestBody, headMs: number, bodyMs: number) {
    this.handler = handler
    this.method = method
    this.head = head
    this.body = body
    this.headMs = headMs
    this.bodyMs = bodyMs
  }

  abort (reason: Error): void {
    if (this.over) return
    this.aborted = true
    this.reason = reason
    this.fail(reason)
  }

  pause (): void {
    if (this.paused || this.over) return
    this.paused = true
    this.connection?.pause()
  }

  resume (): void {
    if (!this.paused || this.over) return
    this.paused = false
    this.connection?.resume()
  }

  release (piece: Buffer): void {
    release(piece)
  }

  /** The request goes to a connection. False: it is not wanted any more. */
  start (connection: Connection): boolean {
    this.connection = connection
    try {
      this.handler.onRequestStart?.(this, null)
    } catch (error) {
      this.fail(asError(error))
    }
    return !this.over
  }

  respond ({ status, headers, message }: ResponseHead): boolean {
    this.answered = true
    this.rawHeaders = headers
    // the words beside the status are bytes to HTTP, and UTF-8 to undici's handlers
    const words = ascii.test(message) ? message : Buffer.from(message, 'latin1').toString()
    this.handler.onResponseStart?.(this, status, headersFor(this.handler, headers), words)
    return !this.over
  }

  data (piece: Buffer): boolean {
    this.handler.onResponseData?.(this, piece)
    return !this.over
  }

  /** The answer is complete. Its connection is done with it. */
  complete (trailers: string[]): void {
    if (this.over) return
    this.over = true
    this.connection = undefined
    this.rawTrailers = trailers
    try {
      this.handler.onResponseEnd?.(this, headersFor(this.handler, trailers))
    } catch (error) {
      this.handler.onResponseError?.(this, asError(error))
    }
  }

  /** There is no answer, or no more of it; the connection ends with it. */
  fail (error: Error): void {
    if (this.over) return
    this.over = true
    const { connection } = this
    this.connection = undefined
    connection?.drop()
    this.handler.onResponseError?.(this, error)
  }
}

export function asError (error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
