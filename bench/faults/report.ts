// Results for people: lines as they come, and tables for the document.
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import type { Result } from './figures.ts'

/** One result, bars first. */
export function resultLines ({ scenario, policy, seconds, figures, bars }: Result): string {
  const met = bars.every(({ ok }) => ok)
  const head = `${met ? 'met   ' : 'MISSED'}  ${scenario.padEnd(15)} ${policy.padEnd(16)} ${seconds.toFixed(0).padStart(3)} s`
  const told = bars.map(({ name, ok, measured, wanted }) => `${ok ? '' : '✗ '}${name} ${measured} (${wanted})`).join(' · ')
  return `${head}  ${told}\n${' '.repeat(8)}${Object.entries(figures).filter(([name]) => !name.startsWith('slowest') || !met).map(([name, value]) => `${name}: ${value}`).join(' · ')}\n`
}

function cell (text: string): string {
  return text.replaceAll('|', '\\|')
}

/** Markdown: a table for each scenario, a row for each policy. */
export function tables (results: readonly Result[]): string {
  const names = [...new Set(results.map(({ scenario }) => scenario))]
  return names.map(name => {
    const rows = results.filter(({ scenario }) => scenario === name)
    const bars = [...new Set(rows.flatMap(row => row.bars.map(bar => bar.name)))]
    const figures = [...new Set(rows.flatMap(row => Object.keys(row.figures)))].filter(figure => figure !== 'reasons' && !figure.startsWith('slowest'))
    const wanted = (bar: string): string => {
      const all = new Set(rows.flatMap(row => row.bars.find(one => one.name === bar)?.wanted ?? []))
      return all.size === 1 ? ` (${[...all].join('')})` : ''
    }
    const lines = rows.map(row => {
      const told = bars.map(bar => {
        const found = row.bars.find(one => one.name === bar)
        return found === undefined ? '' : `${found.measured}${wanted(bar) === '' ? ` (${found.wanted})` : ''}${found.ok ? '' : ' **missed**'}`
      })
      return [`\`${row.policy}\``, ...told, ...figures.map(figure => row.figures[figure] ?? '')]
    })
    const head = ['Policy', ...bars.map(bar => bar + wanted(bar)), ...figures]
    return `### ${name}\n\n${[head, head.map(() => '---'), ...lines].map(line => `| ${line.map(cell).join(' | ')} |`).join('\n')}\n`
  }).join('\n')
}

const begin = '<!-- figures: begin -->'
const finish = '<!-- figures: end -->'

/** Puts the tables between the markers of a document. */
export function writeTables (file: string, results: readonly Result[]): void {
  const text = readFileSync(file, 'utf8')
  const from = text.indexOf(begin)
  const to = text.indexOf(finish)
  if (from < 0 || to < from) throw new Error(`${file} has no ${begin} … ${finish}`)
  const machine = `Measured on ${new Date().toISOString().slice(0, 10)}: Node ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), shared with others.`
  writeFileSync(file, `${text.slice(0, from)}${begin}\n\n${machine}\n\n${tables(results)}\n${text.slice(to)}`)
}
