// Takes a whole answer into memory instead of to a client: status, headers, body, within a bound.
import type { Dispatcher } from 'undici'
import type { FlatHandler } from './flat-handler.ts'
import { textHeaders } from './headers.ts'

/** An answer in memory. */
export interface CollectedAnswer {
  readonly status: number
  /** Headers, as they came. */
  readonly flat: string[]
  readonly message: string
  readonly body: Buffer
}

/** The answer was longer than it may be. */
export class AnswerTooLongError extends Error {
  override readonly name = 'AnswerTooLongError'
}

/** Pieces in one; most bodies came as one. */
export function joined (chunks: readonly Buffer[]): Buffer {
  const [first] = chunks
  return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks)
}

type Head = Omit<CollectedAnswer, 'body'>

/** Undici's handler for an answer of at most `limit` bytes; a longer one ends the call. */
class Collector implements FlatHandler {
  readonly takesFlatHeaders = true
  private readonly limit: number
  private readonly resolve: (answer: CollectedAnswer) => void
  private readonly reject: (error: Error) => void
  private head: Head | undefined
  private readonly chunks: Buffer[] = []
  private size = 0

  constructor (limit: number, resolve: (answer: CollectedAnswer) => void, reject: (error: Error) => void) {
    this.limit = limit
    this.resolve = resolve
    this.reject = reject
  }

  onRequestStart (): void {}

  onResponseStart (...[controller, status, , message]: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>): void {
    this.head = { status, flat: textHeaders(controller.rawHeaders), message: message ?? '' }
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.size += chunk.length
    if (this.size > this.limit) controller.abort(new AnswerTooLongError(`the answer is longer than ${this.limit} bytes`))
    else this.chunks.push(chunk)
  }

  onResponseEnd (): void {
    const { head } = this
    if (head === undefined) this.reject(new Error('an answer without a head'))
    else this.resolve({ ...head, body: joined(this.chunks) })
  }

  onResponseError (_controller: Dispatcher.DispatchController, error: Error): void {
    this.reject(error)
  }
}

/** Makes a request and takes its whole answer; undefined when nobody could take the request. Rejects when no whole answer came. */
export function collect (dispatcher: Dispatcher, options: Dispatcher.DispatchOptions, limit: number): Promise<CollectedAnswer> | undefined {
  let sent = false
  const answer = new Promise<CollectedAnswer>((resolve, reject) => {
    try {
      sent = dispatcher.dispatch(options, new Collector(limit, resolve, reject))
    } catch (error) {
      sent = true
      reject(error instanceof Error ? error : new Error(String(error)))
    }
  })
  return sent ? answer : undefined
}
