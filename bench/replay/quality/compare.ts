// The comparison itself: for each scenario the load that round robin just misses, and every policy at this load and at half as much again.
import { policyNames } from '../../../policies/index.ts'
import { rustPolicies } from '../baselines/index.ts'
import { contender } from '../contenders.ts'
import { coarse, missingLoad, target } from './search.ts'
import { scenarios } from './scenarios.ts'
import type { Scenario, ScenarioName } from './scenarios.ts'
import type { TaskFigures } from './task.ts'
import type { Threads } from './threads.ts'

/** The second load is so many times the first. */
export const overload = 1.5
/** Loads of the chart, as multiples of the first. */
export const curveLoads = [0.5, 0.8, 1, 1.25, 1.5, 2, 3] as const
/** Who is in the chart. */
export const curvePolicies = ['round_robin', 'rust_cache_aware', 'cache_aware', 'sticky_until_saturated'] as const

/** For whom the load is told at which it misses: the subject, the default, and whoever of the Rust router's might be the best. */
export const searched = ['sticky_until_saturated', 'cache_aware', 'rust_cache_aware', 'rust_power_of_two', 'rust_consistent_hash'] as const

/** Policies of the router by their defaults, then the Rust router's. */
export const contenders: readonly string[] = [...policyNames, ...Object.keys(rustPolicies)]

function grid (name: string, settings: Readonly<Record<string, readonly number[]>>): string[] {
  let rows = [name]
  for (const [setting, values] of Object.entries(settings)) rows = rows.flatMap(row => values.map(value => `${row}:${setting}=${value}`))
  return rows
}

/** Who runs where only one bar is asked about. */
export const few = ['cache_aware', 'consistent_hash', 'round_robin', 'sticky_until_saturated', 'rust_cache_aware', 'rust_consistent_hash', 'rust_power_of_two'] as const

/** Settings somebody would try by hand; those that this version of the router does not have are left out. */
export const handTuned: readonly string[] = [
  ...grid('cache_aware', { 'cache-threshold': [0.1, 0.5], 'balance-abs-threshold': [2, 16], 'balance-rel-threshold': [1.1] }),
  ...grid('rust_cache_aware', { 'cache-threshold': [0.1, 0.5], 'balance-abs-threshold': [2, 16], 'balance-rel-threshold': [1.1] }),
  ...grid('consistent_hash', { 'hash-balance-factor': [1.25, 2] })
].filter(known)

function known (text: string): boolean {
  try {
    contender(text)
    return true
  } catch {
    return false
  }
}

/** Figures by policy at one load. */
export type Rows = Readonly<Record<string, TaskFigures>>

/** Share of the requests within the bounds by multiple of the load. */
export type Curve = ReadonlyArray<readonly [load: number, attained: number]>

/** What one scenario brought. */
export interface Comparison {
  readonly scenario: ScenarioName
  /** Where round robin just misses. */
  readonly load: number
  readonly at: Rows
  readonly above: Rows
  readonly curves: Readonly<Record<string, Curve>>
  /** The load at which a policy misses, as a multiple; 1 also for one that misses earlier. */
  readonly missesAt: Readonly<Record<string, number>>
}

/** Compares all policies in one scenario. */
export async function compare (threads: Threads, scenario: ScenarioName, seed: number, say: (line: string) => void): Promise<Comparison> {
  const { load: start, short, title }: Scenario = scenarios[scenario]
  const run = async (policy: string, load: number): Promise<TaskFigures> => await threads.run({ scenario, policy, load, seed })
  const load = await missingLoad(start, async one => (await run('round_robin', one)).attained)
  say(`${title}: round robin just misses at ${load}`)
  const all = short === true ? few : [...contenders, ...handTuned]
  const rows = async (at: number): Promise<Rows> => Object.fromEntries(await Promise.all(all.map(async policy => [policy, await run(policy, at)] as const)))
  const curve = async (policy: string): Promise<readonly [string, Curve]> =>
    [policy, await Promise.all(curveLoads.map(async factor => [factor, (await run(policy, load * factor)).attained] as const))]
  const [at, above, points] = await Promise.all([rows(load), rows(load * overload), Promise.all(short === true ? [] : curvePolicies.map(curve))])
  const curves = Object.fromEntries(points)
  const misses = async (policy: string): Promise<readonly [string, number]> => {
    const known: Curve = curves[policy] ?? [[1, at[policy]?.attained ?? 0], [overload, above[policy]?.attained ?? 0]]
    const missed = known.find(([factor, attained]) => factor >= 1 && attained < target)?.[0]
    const kept = known.findLast(([factor, attained]) => factor >= 1 && attained >= target && factor < (missed ?? Infinity))?.[0]
    if (kept === undefined) return [policy, 1]
    return [policy, await missingLoad(1, async factor => (await run(policy, load * factor)).attained, { kept, missed, within: coarse })]
  }
  const missesAt = Object.fromEntries(await Promise.all(short === true ? [] : searched.map(misses)))
  say(`${title}: done`)
  return { scenario, load, at, above, curves, missesAt }
}
