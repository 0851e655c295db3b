// What the end of a call says about the worker it went to.
import type { Exchange } from './exchange.ts'
import { headerIn } from './headers.ts'
import { retryAfterMs } from './retry.ts'

/** The request itself could not be written as HTTP, so it never reached the worker; or the router itself had no use for the call any more. */
const sayNothing: ReadonlySet<unknown> = new Set(['UND_ERR_INVALID_ARG', 'LEG_WITHDRAWN'])

/** `neither`: the call says nothing about the worker; its client left or did wrong, or the worker asked for a pause. */
export type Outcome = 'success' | 'failure' | 'neither'

/**
 * Failures are 5xx, broken connections, no first byte in time and broken streams. 501 is a success: the worker works and does not
 * know the request. A worker that answers 429, or 503 with a `Retry-After`, is left alone for that time instead of being judged.
 */
export function outcomeOf ({ end, status, headers, error }: Pick<Exchange, 'end' | 'status' | 'headers' | 'error'>): Outcome {
  if (end === undefined || end === 'client_gone') return 'neither'
  if (error !== undefined && 'code' in error && sayNothing.has(error.code)) return 'neither'
  if (end !== 'completed') return 'failure'
  if (status < 400 || status === 501) return 'success'
  if (status < 500) return 'neither'
  const asked = status === 503 ? retryAfterMs(headerIn(headers, 'retry-after'), Date.now()) : undefined
  return asked !== undefined && asked > 0 ? 'neither' : 'failure'
}
