// The router's flags in the suite: what a user would set whose answers take a tenth of a second.

/** Said in the document as it is here. */
export const flagsFor = (patience: number): string[] => [
  // generations here take 0.1 to 0.3 s in all; the default is no limit, because nobody else can know what is long
  '--first-byte-timeout-secs', String(1.5 * patience),
  // a worker that is back is found within a second
  '--health-check-interval-secs', '0.5',
  // sooner than the default of 60 s, so that trials of a worker that is still bad happen within the time measured
  '--cb-timeout-duration-secs', '4'
]

/** All policies. */
export const policies = ['cache_aware', 'consistent_hash', 'power_of_two', 'random', 'rendezvous_hash', 'round_robin', 'sticky_until_saturated'] as const

/** Retries that the defaults allow in so many seconds: in any 10 s a fifth of the requests, and 10 a second in any case. */
export function budget (perSecond: number, seconds: number): number {
  return Math.ceil(seconds / 10) * Math.max(perSecond * 10 * 0.2, 100)
}
