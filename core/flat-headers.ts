// Headers as handlers of answers want them: objects, as undici has it, or flat, which costs nothing.
import type { Dispatcher } from 'undici'
import { headerMap } from './headers.ts'

/** Headers as undici's handlers get them. */
export type HeaderMap = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2]

/** A handler that takes headers and trailers from its controller (`rawHeaders`, `rawTrailers`: flat, in Latin-1): the objects it is given are empty. */
export interface FlatHandler extends Dispatcher.DispatchHandler {
  readonly takesFlatHeaders?: boolean
}

const empty: HeaderMap = Object.freeze(Object.create(null) as HeaderMap)

/** Flat headers for a handler: as an object, unless it takes them as they are. */
export function headersFor (handler: FlatHandler, flat: readonly string[]): HeaderMap {
  return handler.takesFlatHeaders === true || flat.length === 0 ? empty : headerMap(flat)
}
