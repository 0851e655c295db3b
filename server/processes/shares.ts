// What one of several processes gets of the limits that were given to the whole router.
import type { RouterOptions } from '../../options.ts'

/** A whole number shared out: the parts differ by one at most, and add up. */
export function shareOf (whole: number, index: number, processes: number): number {
  return Math.floor(whole / processes) + (index < whole % processes ? 1 : 0)
}

/**
 * The options of one process: requests in flight, waiting, let in and tried again, and tokens asked about, are shared out. Shares of
 * another process are not lent. The bound on one worker's requests stays as it is: processes tell each other what workers have.
 */
export function shareOptions (options: RouterOptions, index: number): RouterOptions {
  const { processes, maxConcurrentRequests, queueSize, rateLimitTokensPerSecond: rate, retryBudgetMinPerSecond, authMaxValidations, recordTrace, recordTraceMaxMb } = options
  return {
    ...options,
    maxConcurrentRequests: shareOf(maxConcurrentRequests, index, processes),
    queueSize: shareOf(queueSize, index, processes),
    rateLimitTokensPerSecond: rate === undefined ? undefined : rate / processes,
    retryBudgetMinPerSecond: retryBudgetMinPerSecond / processes,
    // none at all would mean that nobody is ever let in
    authMaxValidations: Math.max(1, shareOf(authMaxValidations, index, processes)),
    // each records in a file of its own
    recordTrace: recordTrace === undefined ? undefined : `${recordTrace}.process-${index}`,
    recordTraceMaxMb: Math.max(1, shareOf(recordTraceMaxMb, index, processes))
  }
}
