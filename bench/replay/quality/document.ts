// Puts the comparison into docs/routing-quality.md between its markers, and draws its chart.
import { curveChart } from '../chart.ts'
import { profiles } from '../profiles.ts'
import { judge } from './bars.ts'
import { contenders, overload } from './compare.ts'
import type { Comparison } from './compare.ts'
import { scenarios } from './scenarios.ts'
import type { Scenario } from './scenarios.ts'
import { target } from './search.ts'
import type { TaskFigures } from './task.ts'

const begin = '<!-- made by npm run replay:quality: begin -->'
const end = '<!-- made by npm run replay:quality: end -->'

const seconds = (ms: number): string => Number.isFinite(ms) ? (ms / 1000).toFixed(2) : '–'
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

function cells (figures: TaskFigures | undefined): string[] {
  if (figures === undefined) return ['–', '–', '–', '–', '–']
  const { goodput_rps: goodput, attained, ttft_p50_ms: p50, ttft_p90_ms: p90, hit_rate: hits, load_max_over_mean: load } = figures
  return [goodput.toFixed(2), percent(attained), `${seconds(p50)}, ${seconds(p90)}`, percent(hits), load.toFixed(2)]
}

function rowsOf ({ at, above }: Comparison): string[] {
  const ours = new Set<string>(contenders)
  const tuned = Object.keys(at).filter(name => !ours.has(name))
  const bestOf = (rows: Comparison['at']): string | undefined => tuned.toSorted((one, two) => (rows[two]?.goodput_rps ?? 0) - (rows[one]?.goodput_rps ?? 0))[0]
  const extra = [...new Set([bestOf(at), bestOf(above)])].filter(name => name !== undefined)
  return [...contenders.filter(name => name in at), ...extra].map(name => `| \`${name}\` | ${[...cells(at[name]), ...cells(above[name])].join(' | ')} |`)
}

function section (comparison: Comparison): string {
  const scenario: Scenario = scenarios[comparison.scenario]
  const { load, missesAt } = comparison
  const { workers, profile, slo, transforms } = scenario
  const misses = Object.entries(missesAt).map(([policy, factor]) => `\`${policy}\` ${factor.toFixed(2)}`)
  return [
    `### ${scenario.title}`,
    '',
    `${workers} workers, profile \`${profile}\` (${profiles[profile].engine.prefillRate.toLocaleString('en')} prompt tokens/s each), TTFT ≤ ${slo.ttftMs / 1000} s and ITL ≤ ${slo.itlMs} ms` +
      `${transforms.length === 0 ? '' : `, \`--transform ${transforms.join(',')}\``}. Round robin just misses at ${scenario.format === 'session' ? `${load} × 30 sessions at once` : `${load} × the trace's own speed`}.`,
    '',
    `| Policy | goodput 1/s | within SLO | TTFT p50, p90 s | hits | max/mean | goodput at ${overload} × | within SLO | TTFT p50, p90 s | hits | max/mean |`,
    `|---${'|---:'.repeat(10)}|`,
    ...rowsOf(comparison),
    ...(misses.length === 0 ? [] : ['', `Fewer than ${100 * target} % within the bounds from so many times this load on: ${misses.join(', ')} (1.00: at it, or before).`]),
    ''
  ].join('\n')
}

/** The part of the document that is made. */
export function made (comparisons: readonly Comparison[], command: string): string {
  const verdicts = judge(comparisons)
  return [
    begin,
    '',
    `Made by \`${command}\`. ${verdicts.filter(({ met }) => met).length} of ${verdicts.length} bars are met.`,
    '',
    '![Share of the requests within the bounds against load](images/routing-quality.svg)',
    '',
    ...comparisons.map(section),
    '### Bars',
    '',
    '| | Bar | Where | Seen | |',
    '|---|---|---|---|---|',
    ...verdicts.map(({ bar, where, met, seen, note = '' }) => `| ${met ? 'met' : '**missed**'} | ${bar} | ${where} | ${seen.replaceAll('|', '\\|')} | ${met ? '' : note} |`),
    '',
    end
  ].join('\n')
}

/**
 * The document with another made part.
 * @throws Error where the markers are missing
 */
export function replaced (document: string, part: string): string {
  const from = document.indexOf(begin)
  const to = document.indexOf(end)
  if (from === -1 || to < from) throw new Error('docs/routing-quality.md has lost its markers')
  return document.slice(0, from) + part + document.slice(to + end.length)
}

/** The chart: a panel a scenario. */
export function chart (comparisons: readonly Comparison[]): string {
  const panels = comparisons.filter(({ curves }) => Object.keys(curves).length > 0).map(({ scenario, curves }) => ({
    head: scenarios[scenario].title.split(',')[0] ?? scenario, marks: [1, overload], curves: Object.entries(curves).map(([name, points]) => ({ name, points }))
  }))
  return curveChart('Requests within the bounds against load', 'load, as a multiple of that which round robin just misses', 'within both bounds, %', panels)
}
