// Whether a prefill worker comes first: what splitting a request saves its decode worker, against what it costs the request.

/** When a request is split. */
export interface SplitLimits {
  /** A request of which the decode worker would have to compute fewer tokens is not split; 0 = every request is split. */
  readonly minUncached: number
  /** Nor one that would find more than so many times its own uncached tokens before it on the least busy prefill worker; 0 = it waits for its turn. */
  readonly maxBacklog: number
}

/** Measured: `npm run bench:pd`, docs/disaggregation.md. */
export const splitDefaults: SplitLimits = { minUncached: 1024, maxBacklog: 4 }

/**
 * Why the decode worker does it all: it has little to compute (`short`), or the prefill workers are too busy for so little (`busy`);
 * undefined when a prefill worker comes first. A long prompt may wait longer than a short one, because it holds up a decode worker longer.
 * @param uncached tokens of the prompt that the decode worker does not have
 * @param backlog tokens before the least busy prefill worker; asked for only where it matters
 */
export function whyAlone (uncached: number, backlog: () => number, { minUncached, maxBacklog }: SplitLimits): 'short' | 'busy' | undefined {
  if (minUncached <= 0) return undefined
  if (uncached < minUncached) return 'short'
  return maxBacklog > 0 && backlog() > maxBacklog * uncached ? 'busy' : undefined
}
