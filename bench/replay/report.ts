// The figures of a replay as a table for people.
import type { Figures } from './figures.ts'

const columns: ReadonlyArray<readonly [head: string, cell: (figures: Figures) => string]> = [
  ['TTFT p50, p90, p99 (s)', f => [f.ttft_p50_ms, f.ttft_p90_ms, f.ttft_p99_ms].map(ms => (ms / 1000).toFixed(2)).join(', ')],
  ['end to end p50, p90, p99 (s)', f => [f.e2e_p50_ms, f.e2e_p90_ms, f.e2e_p99_ms].map(ms => (ms / 1000).toFixed(1)).join(', ')],
  ['ITL p50, p90, p99 (ms)', f => [f.itl_p50_ms, f.itl_p90_ms, f.itl_p99_ms].map(ms => ms.toFixed(0)).join(', ')],
  ['goodput (1/s)', f => f.goodput_rps.toFixed(2)],
  ['within SLO', f => `${(100 * f.attained).toFixed(1)} %`],
  ['hit rate', f => `${(100 * f.hit_rate).toFixed(1)} %`],
  ['max / mean load', f => f.load_max_over_mean.toFixed(2)]
]

/** A Markdown table, a row a policy. */
export function table (rows: Readonly<Record<string, Figures>>): string {
  const lines = [['Policy', ...columns.map(([head]) => head)], ...Object.entries(rows).map(([name, figures]) => ['`' + name + '`', ...columns.map(([, cell]) => cell(figures))])]
  const widths = lines[0]?.map((_, at) => Math.max(...lines.map(line => line[at]?.length ?? 0))) ?? []
  const [head = [], ...body] = lines.map(line => '| ' + line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ') + ' |')
  return [head, '|' + widths.map(width => '-'.repeat(width + 2)).join('|') + '|', ...body].join('\n')
}
