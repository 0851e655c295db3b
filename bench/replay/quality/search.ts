// The load at which a policy just misses: found by bisection.

/** A policy keeps its bounds as long as this share of the requests is within both. */
export const target = 0.9
/** The load is known to this factor. */
const precision = 1.03
const widest = 1.5
const mostSteps = 24

/**
 * The least load found at which `attained` is below the target, within 3 %; `attained` is asked for one load after another.
 * @param start where the search begins
 */
export async function missingLoad (start: number, attained: (load: number) => Promise<number>): Promise<number> {
  let kept: number | undefined
  let missed: number | undefined
  let load = start
  for (let step = 0; step < mostSteps; step++) {
    if (await attained(load) >= target) kept = load
    else missed = load
    if (kept === undefined) load /= widest
    else if (missed === undefined) load *= widest
    else if (missed / kept <= precision) break
    else load = round(Math.sqrt(kept * missed))
  }
  if (missed === undefined || kept === undefined) throw new Error(`no load from ${start} on is ${missed === undefined ? 'too high' : 'low enough'}`)
  return missed
}

/** Four digits say enough, and can be typed. */
function round (load: number): number {
  return Number(load.toPrecision(4))
}
