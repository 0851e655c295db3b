// Results for people: a line as each sample comes, tables in the terminal, and the same between the markers of a document.
import { readFileSync, writeFileSync } from 'node:fs'
import { bars, judge } from './bars.ts'
import type { Verdict } from './bars.ts'
import { figures, spreadOf, valuesOf } from './figures.ts'
import type { Figure, FigureName, Spread } from './figures.ts'
import type { Circumstances } from './machine.ts'
import type { Sample } from './sample.ts'
import type { Scenario } from './scenarios.ts'

/** A run, as it is written to a file. */
export interface Results {
  readonly command: string
  readonly circumstances: Circumstances
  readonly scenarios: readonly Scenario[]
  /** Targets that were asked for and are not installed, and why. */
  readonly missing: Readonly<Record<string, string>>
  readonly samples: readonly Sample[]
}

function percent (share: number | undefined): string {
  return share === undefined ? '?' : `${(share * 100).toFixed(0)} %`
}

/** One sample in a line. */
export function sampleLine (sample: Sample): string {
  const head = `round ${sample.round}  ${sample.scenario.padEnd(14)} ${sample.target.padEnd(12)}`
  if (sample.error !== undefined) return `${head} FAILED: ${sample.error}\n`
  const direct = undefined
  const told = (['requestsPerSecond', 'eventsPerSecond', 'cpuPerRequest', 'cpuPerChunk', 'cores', 'p50', 'p99', 'ttftP50', 'startMs'] as const).flatMap(name => {
    const figure: Figure = figures[name]
    const value = figure.of(sample, direct)
    return value === undefined || (name === 'cores' && sample.load !== undefined) ? [] : `${figure.title} ${value.toFixed(figure.digits)}`
  })
  const failed = sample.load === undefined || sample.load.failed === 0 ? '' : `  ${sample.load.failed} FAILED: ${sample.load.firstError}`
  return `${head} ${told.join(' · ')} · others ${percent(sample.othersShare)}${failed}\n`
}

/** What a target's garbage was, in a line; nothing where it is not known. */
export function garbageLine (sample: Sample | undefined): string {
  const { garbage, load } = sample ?? {}
  if (garbage === undefined || load === undefined) return ''
  const { minor, major, pausedMs, allocatedBytes, keptShare } = garbage
  return `  garbage: ${(allocatedBytes / 1000 / load.requests).toFixed(1)} kB a request; ${minor} minor and ${major} major collections, ${pausedMs.toFixed(0)} ms; minor ones left ${percent(keptShare)} for a major one\n`
}

function spreadText (spread: Spread | undefined, digits: number): string {
  if (spread === undefined) return '–'
  const middle = spread.median.toFixed(digits)
  return spread.count === 1 ? middle : `${middle} (${spread.least.toFixed(digits)}–${spread.most.toFixed(digits)})`
}

/** A scenario's rows: a target each, with its policy. */
function rows (results: Results, scenario: Scenario): string[][] {
  const own = results.samples.filter(({ scenario: name }) => name === scenario.name)
  const named = [...new Set(own.map(({ target }) => target))].sort((a, b) => order(a) - order(b))
  return named.map(target => {
    const samples = own.filter(sample => sample.target === target)
    const error = samples.find(sample => sample.error !== undefined)
    const failed = samples.reduce((sum, { load }) => sum + (load?.failed ?? 0), 0)
    const policy = samples[0]?.policy ?? ''
    const cells = scenario.columns.map(name => spreadText(spreadOf([...valuesOf(results.samples, scenario.name, target, name).values()]), figures[name].digits))
    return [policy === '' ? target : `${target} (${policy})`, ...cells, error === undefined ? String(failed) : 'did not run']
  })
}

const places = ['direct', 'router', 'plain', 'vllm-router', 'smg']

function order (target: string): number {
  return places.indexOf(target)
}

function head (scenario: Scenario): string[] {
  return ['', ...scenario.columns.map((name: FigureName) => figures[name].title), 'failed']
}

/** The largest share of the machine that was not ours in a scenario, and how long its windows were. */
function noise (results: Results, scenario: Scenario): string {
  const samples = results.samples.filter(({ scenario: name, error }) => name === scenario.name && error === undefined)
  const shares = samples.flatMap(({ othersShare }) => othersShare ?? [])
  const rounds = new Set(samples.map(({ round }) => round)).size
  const rate = samples.find(sample => sample.rate !== undefined)?.rate
  return `${rounds} ${rounds === 1 ? 'round' : 'rounds'}${rate === undefined ? '' : `, ${rate} requests/s asked for`}; others took ${percent(spreadOf(shares)?.least)} to ${percent(spreadOf(shares)?.most)} of the machine`
}

function verdictCells ({ scenario, what, wanted, measured, digits, unit, met, why }: Verdict): string[] {
  return [scenario, what, wanted, measured === undefined ? why ?? '' : spreadText(measured, digits) + unit, met === undefined ? '–' : met ? 'met' : 'MISSED']
}

/** Bars of the scenarios that were run. */
export function verdicts (results: Results): Verdict[] {
  return bars.filter(({ scenario }) => results.scenarios.some(({ name }) => name === scenario)).map(bar => judge(bar, results.samples))
}

/** The width of a text in a terminal; its letters are one column each. */
function table (cells: readonly string[][]): string {
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map(row => row[column]?.length ?? 0))) ?? []
  return cells.map(row => `  ${row.map((cell, column) => column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)).join('  ')}`).join('\n') + '\n'
}

function machineLine ({ date, cores, processor, memoryGb, kernel, loadBefore, versions }: Circumstances): string {
  const told = Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')
  return `${date}: ${cores} cores (${processor}), ${memoryGb} GB, Linux ${kernel}, load ${loadBefore.toFixed(1)} before. ${told}.`
}

/** All tables for a terminal. */
export function terminalReport (results: Results): string {
  const parts = [machineLine(results.circumstances)]
  for (const [target, why] of Object.entries(results.missing)) parts.push(`without ${target}: ${why}`)
  for (const scenario of results.scenarios) {
    parts.push(`${scenario.name}: ${scenario.title} (${noise(results, scenario)})\n${table([head(scenario), ...rows(results, scenario)])}`)
  }
  const judged = verdicts(results)
  const met = judged.filter(verdict => verdict.met === true).length
  const open = judged.filter(verdict => verdict.met === undefined).length
  parts.push(`${table([['bar', '', 'wanted', 'measured', ''], ...judged.map(verdictCells)])}${met} met, ${judged.length - met - open} missed, ${open} not measured`)
  return parts.join('\n\n') + '\n'
}

function markdown (cells: readonly string[][]): string {
  const [first = [], ...rest] = cells
  return [first, first.map((_, column) => column === 0 ? '---' : '--:'), ...rest].map(row => `| ${row.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`).join('\n')
}

/** The same for a document. */
export function documentTables (results: Results): string {
  const missing = Object.entries(results.missing).map(([target, why]) => `Without ${target}: ${why}.`)
  const parts = [`Made by \`${results.command}\` on ${machineLine(results.circumstances)}${['', ...missing].join(' ')}`]
  parts.push('### Bars', markdown([['Scenario', 'Figure', 'Wanted', 'Measured', ''], ...verdicts(results).map(verdictCells)]))
  for (const scenario of results.scenarios) {
    parts.push(`### ${scenario.name}`, `${scenario.title[0]?.toUpperCase()}${scenario.title.slice(1)}; ${noise(results, scenario)}.`, markdown([head(scenario), ...rows(results, scenario)]))
  }
  return parts.join('\n\n')
}

const begin = '<!-- figures: begin -->'
const finish = '<!-- figures: end -->'

/** Puts the tables between the markers of a document. */
export function writeTables (file: string, results: Results): void {
  const text = readFileSync(file, 'utf8')
  const from = text.indexOf(begin)
  const to = text.indexOf(finish)
  if (from < 0 || to < from) throw new Error(`${file} has no ${begin} … ${finish}`)
  writeFileSync(file, `${text.slice(0, from)}${begin}\n\n${documentTables(results)}\n\n${text.slice(to)}`)
}
