// `npm run replay`: plays traces against a simulated fleet under several policies and prints what each brought.
import { writeFileSync } from 'node:fs'
import { ArgumentError, readArguments, usage } from './arguments.ts'
import type { Wanted } from './arguments.ts'
import { barChart } from './chart.ts'
import { contender } from './contenders.ts'
import { figuresOf } from './figures.ts'
import type { Figures } from './figures.ts'
import { readTraces, TraceError } from './formats.ts'
import { engineFor, profiles } from './profiles.ts'
import { table } from './report.ts'
import { replay } from './run.ts'
import { PrefixNumbers } from './trace.ts'
import type { Trace } from './trace.ts'
import { copies, cut, transforms } from './transforms.ts'

/** Figures by trace and policy. */
export type Results = Record<string, Record<string, Figures>>

/** Milliseconds between two words on progress. */
const wordEvery = 2000

function tracesOf ({ format, files, requests, copies: count, transforms: names }: Wanted): Trace[] {
  const numbers = new PrefixNumbers()
  return readTraces(format, files, numbers).map(whole => {
    let trace = requests === undefined ? whole : cut(whole, requests)
    for (const name of names) trace = transforms[name](trace, numbers)
    return copies(trace, count)
  })
}

/** Plays everything that is asked for. */
export function play (wanted: Wanted, say: (line: string) => void): Results {
  const all: Results = {}
  for (const trace of tracesOf(wanted)) {
    const rows: Record<string, Figures> = all[trace.name] = {}
    for (const name of wanted.policies) {
      const began = performance.now()
      let last = began
      const brought = replay(trace, {
        workers: wanted.workers,
        engine: engineFor(profiles[wanted.profile], trace.blockSize),
        policy: contender(name),
        seed: wanted.seed,
        load: wanted.timeScale,
        closedMs: wanted.closedSecs * 1000,
        progress (done) {
          if (performance.now() - last < wordEvery) return
          last = performance.now()
          say(`${trace.name} ${name}: ${Math.floor(100 * done)} %`)
        }
      })
      rows[name] = figuresOf(brought, { ttftMs: wanted.sloTtftMs, itlMs: wanted.sloItlMs })
      say(`${trace.name} ${name}: ${brought.outcomes.length} requests in ${((performance.now() - began) / 1000).toFixed(1)} s`)
    }
  }
  return all
}

/** Runs the command; its exit code. */
export function main (args: readonly string[]): number {
  try {
    const wanted = readArguments(args)
    if (wanted === undefined) {
      process.stdout.write(usage)
      return 0
    }
    const results = play(wanted, line => process.stderr.write(line + '\n'))
    for (const [trace, rows] of Object.entries(results)) process.stdout.write(`${trace}\n${table(rows)}\n\n`)
    if (wanted.json !== undefined) writeFileSync(wanted.json, JSON.stringify(results, undefined, 2) + '\n')
    if (wanted.svg !== undefined) writeFileSync(wanted.svg, barChart(results, { ttftMs: wanted.sloTtftMs, itlMs: wanted.sloItlMs }))
    return 0
  } catch (error) {
    const known = error instanceof ArgumentError || error instanceof TraceError || (error instanceof Error && 'syscall' in error)
    if (!known) throw error
    process.stderr.write(`replay: ${error.message}\n`)
    return 2
  }
}

if (process.argv[1] === import.meta.filename) process.exitCode = main(process.argv.slice(2))
