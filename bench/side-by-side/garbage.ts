// Reads what `node --trace-gc` says: how much was allocated, and how much of it minor collections could not free.

/** Garbage collection in a measured window. */
export interface Garbage {
  readonly minor: number
  readonly major: number
  /** Milliseconds the program stood still. */
  readonly pausedMs: number
  readonly allocatedBytes: number
  /**
   * Share of what was allocated by which the heap grew over minor collections. A server that keeps nothing of a request is near
   * 0; where it is not, something that is old holds on to what is new.
   */
  readonly keptShare: number
}

const megabyte = 2 ** 20

/** What became of it; undefined where too little happened to tell. */
export function garbageIn (log: string): Garbage | undefined {
  let [minor, major, pausedMs, allocated, kept] = [0, 0, 0, 0, 0]
  let last: number | undefined
  for (const [, kind, before, after, paused] of log.matchAll(/ms: (Scavenge|Mark-Compact)[^\n]*? ([\d.]+) \([\d.]+\) -> ([\d.]+) \([\d.]+\) MB, ([\d.]+) \//g)) {
    pausedMs += Number(paused)
    if (kind === 'Scavenge') {
      minor++
      if (last !== undefined) {
        allocated += Number(before) - last
        kept += Number(after) - last
      }
    } else major++
    last = Number(after)
  }
  return minor < 3 || allocated <= 0 ? undefined : { minor, major, pausedMs, allocatedBytes: allocated * megabyte, keptShare: Math.max(0, kept / allocated) }
}
