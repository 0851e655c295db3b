// Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2016): a key passes over workers that have more than their share.
import type { Candidates } from '../core/candidates.ts'

/** Option of the hashing policies. */
export interface BoundedLoadOptions {
  /**
   * A worker that has so many times the candidates' mean of requests in flight is passed over; less than 1 counts as 1, which keeps all
   * equal. 0, the default: there is no such bound, as in the Rust router.
   */
  readonly hashBalanceFactor?: number
}

/**
 * Requests in flight with which a candidate has no room for one more; Infinity without a factor. The mean counts the new request and
 * the bound is rounded up, so there is always a candidate with room.
 */
export function fullAt (candidates: Candidates, factor: number): number {
  return factor === 0 ? Infinity : Math.ceil(Math.max(1, factor) * (candidates.inFlight + 1) / candidates.workers.length)
}
