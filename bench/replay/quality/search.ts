// The load at which a policy just misses: found by bisection.

/** A policy keeps its bounds as long as this share of the requests is within both. */
export const target = 0.9
/** The load is known to this factor; where less will do, to that. */
const precision = 1.03
export const coarse = 1.06
const widest = 1.5
const mostSteps = 24

/** What is known before a search: a load at which the target is kept, one at which it is missed, and how well the load is to be known. */
export interface Known {
  readonly kept?: number | undefined
  readonly missed?: number | undefined
  readonly within?: number
}

/**
 * The least load found at which `attained` is below the target; `attained` is asked for one load after another.
 * @param start where the search begins, if nothing is known
 */
export async function missingLoad (start: number, attained: (load: number) => Promise<number>, known: Known = {}): Promise<number> {
  let { kept, missed } = known
  const { within = precision } = known
  for (let step = 0; step < mostSteps; step++) {
    let load = start
    if (kept !== undefined && missed !== undefined) {
      if (missed / kept <= within) break
      load = round(Math.sqrt(kept * missed))
    } else if (kept !== undefined) load = kept * widest
    else if (missed !== undefined) load = missed / widest
    if (await attained(load) >= target) kept = load
    else missed = load
  }
  if (missed === undefined || kept === undefined) throw new Error(`no load from ${start} on is ${missed === undefined ? 'too high' : 'low enough'}`)
  return missed
}

/** Four digits say enough, and can be typed. */
function round (load: number): number {
  return Number(load.toPrecision(4))
}
