// What the comparison must show, and whether it does.
import { rustPolicies } from '../baselines/index.ts'
import { overload } from './compare.ts'
import type { Comparison, Rows } from './compare.ts'
import { scenarios } from './scenarios.ts'
import type { Scenario, ScenarioName } from './scenarios.ts'

/** The policy that has to keep the bars. */
export const subject = 'sticky_until_saturated'

/** One judgement. */
export interface Verdict {
  readonly bar: string
  readonly where: string
  readonly met: boolean
  /** What was seen, and what was wanted. */
  readonly seen: string
  /** What no policy could change about it. */
  readonly note?: string
}

const times = (value: number): string => Number.isFinite(value) ? `${value.toFixed(2)} ×` : '–'
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`

function best (rows: Rows, names: readonly string[]): { readonly name: string, readonly goodput: number } {
  let found = { name: '', goodput: 0 }
  for (const name of names) {
    const goodput = rows[name]?.goodput_rps ?? 0
    if (goodput > found.goodput || found.name === '') found = { name, goodput }
  }
  return found
}

/** Bars of one load of one scenario. */
function ofLoad (scenario: ScenarioName, where: string, rows: Rows): Verdict[] {
  const own = rows[subject]
  if (own === undefined) return []
  const goodput = own.goodput_rps
  const ratio = (to: number): number => to === 0 ? goodput > 0 ? Infinity : 1 : goodput / to
  const turns = rows['round_robin']
  const rust = best(rows, Object.keys(rustPolicies))
  const other = best(rows, Object.keys(rows).filter(name => name !== subject))
  // all requests within the bounds: more is not to be had
  const ceiling = (name: string): string | undefined => {
    const attained = rows[name]?.attained ?? 0
    // clients that wait for answers ask more where these come sooner
    const { format }: Scenario = scenarios[scenario]
    return attained > 0 && format !== 'session' ? `all requests within the bounds would be ${times(1 / attained)}` : undefined
  }
  const verdict = (bar: string, met: boolean, seen: string, note?: string): Verdict => ({ bar, where, met, seen, ...(note === undefined ? {} : { note }) })
  const verdicts = [
    verdict('goodput at least 2 × round_robin', ratio(turns?.goodput_rps ?? 0) >= 2, times(ratio(turns?.goodput_rps ?? 0)), ceiling('round_robin')),
    verdict('goodput at least 1.3 × the best of the Rust router\'s five', ratio(rust.goodput) >= 1.3, `${times(ratio(rust.goodput))} ${rust.name}`, ceiling(rust.name)),
    verdict('goodput at least 0.98 × the best setting of any policy', ratio(other.goodput) >= 0.98, `${times(ratio(other.goodput))} ${other.name}`)
  ]
  if (scenario === 'shift') verdicts.push(verdict('ahead of each where the load shifts', goodput > other.goodput, `${times(ratio(other.goodput))} ${other.name}`))
  const learned = own.learned_prefill_rate
  verdicts.push(verdict('learned prefill rate within 10 %', Math.abs(learned - 1) <= 0.1, `${percent(learned)} of the true one`))
  return verdicts
}

/** Judges everything. */
export function judge (comparisons: readonly Comparison[]): Verdict[] {
  const verdicts: Verdict[] = []
  const find = (scenario: ScenarioName): Comparison | undefined => comparisons.find(one => one.scenario === scenario)
  for (const { scenario, load, at, above } of comparisons) {
    for (const [rows, factor] of [[at, 1], [above, overload]] as const) {
      const where = `${scenario}, load ${Number((load * factor).toPrecision(4))}`
      if (scenario.endsWith('shared-prompt')) {
        const seen = rows[subject]?.load_max_over_mean ?? NaN
        verdicts.push({ bar: 'max / mean load at most 1.5 with one system prompt', where, met: seen <= 1.5, seen: seen.toFixed(2) })
      } else if (scenario !== 'agents-no-sessions') verdicts.push(...ofLoad(scenario, where, rows))
    }
  }
  for (const { scenario, missesAt } of comparisons) {
    const own = missesAt[subject]
    if (own === undefined) continue
    const rust = Math.max(1, ...Object.entries(missesAt).flatMap(([name, factor]) => Object.hasOwn(rustPolicies, name) ? [factor] : []))
    verdicts.push({ bar: 'serves at least 2 × the load of round_robin within the bounds', where: scenario, met: own >= 2, seen: times(own) })
    verdicts.push({ bar: 'serves at least 1.3 × the load of the best of the Rust router\'s five within the bounds', where: scenario, met: own / rust >= 1.3, seen: times(own / rust) })
  }
  const withIds = find('agents')
  const without = find('agents-no-sessions')
  if (withIds !== undefined && without !== undefined) {
    // the same load for both
    for (const [name, one, two] of [['load', withIds.at, without.at], [`${overload} × load`, withIds.above, without.above]] as const) {
      const share = (two[subject]?.hit_rate ?? 0) / (one[subject]?.hit_rate ?? 1)
      verdicts.push({ bar: 'hit rate without session ids at least 95 % of that with ids', where: `agents, ${name} where round robin just misses`, met: share >= 0.95, seen: percent(share) })
    }
  }
  return verdicts
}

/** A verdict in a line. */
export function lineOf ({ bar, where, met, seen, note }: Verdict): string {
  return `${met ? 'met   ' : 'MISSED'}  ${bar}: ${seen} (${where}${note === undefined ? '' : `; ${note}`})`
}
