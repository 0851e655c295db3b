// What handlers of answers may ask for and be told beyond undici's contract, so that a piece of an answer costs less.
import type { Dispatcher } from 'undici'
import { headerMap } from './headers.ts'

/** Headers as undici's handlers get them. */
export type HeaderMap = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2]

/** A handler that takes headers and trailers from its controller (`rawHeaders`, `rawTrailers`: flat, in Latin-1): the objects it is given are empty. */
export interface FlatHandler extends Dispatcher.DispatchHandler {
  readonly takesFlatHeaders?: boolean
}

/** A controller that looks ahead. */
export interface FlatController extends Dispatcher.DispatchController {
  /** The end of the answer came with the piece that is told of, and will be told at once. */
  readonly ending?: boolean
  /** Nobody will look at the bytes of this piece any more: their memory may be used again. */
  release? (piece: Buffer): void
}

const empty: HeaderMap = Object.freeze(Object.create(null) as HeaderMap)

/** Flat headers for a handler: as an object, unless it takes them as they are. */
export function headersFor (handler: FlatHandler, flat: readonly string[]): HeaderMap {
  return handler.takesFlatHeaders === true || flat.length === 0 ? empty : headerMap(flat)
}
