// `npm run replay:quality`: makes the figures of docs/routing-quality.md, its table and its chart, and says which bars are met.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { judge, lineOf } from './bars.ts'
import { compare } from './compare.ts'
import { chart, made, replaced } from './document.ts'
import { scenarios } from './scenarios.ts'
import type { ScenarioName } from './scenarios.ts'
import { Threads } from './threads.ts'

const usage = `npm run replay:quality -- [options]

  --traces DIR        folder of the traces (default .bench/traces; npm run replay:traces fills it)
  --scenarios A,B,…   ${Object.keys(scenarios).join(', ')} (default: all)
  --seed S            of every choice by chance (default 1)
  --threads N         runs at the same time (default: as many as processors)
  --json FILE         all figures (default .bench/routing-quality.json)
  --no-document       leave docs/routing-quality.md and its chart as they are
`

function fail (message: string): never {
  process.stderr.write(`replay:quality: ${message}\n`)
  process.exit(2)
}

const { values } = parseArgs({
  options: {
    traces: { type: 'string', default: '.bench/traces' },
    scenarios: { type: 'string', default: Object.keys(scenarios).join(',') },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: String(Math.min(8, availableParallelism())) },
    json: { type: 'string', default: '.bench/routing-quality.json' },
    'no-document': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})
if (values.help) {
  process.stdout.write(usage)
  process.exit(0)
}
const names = values.scenarios.split(',').map(name => Object.hasOwn(scenarios, name) ? name as ScenarioName : fail(`--scenarios: ${name} is unknown; there are ${Object.keys(scenarios).join(', ')}`))
const seed = Number(values.seed)
if (!Number.isSafeInteger(seed) || seed < 0) fail(`--seed must be a whole number of 0 or more, not ${values.seed}`)
const count = Number(values.threads)
if (!Number.isSafeInteger(count) || count < 1 || count > 64) fail(`--threads must be a whole number from 1 to 64, not ${values.threads}`)
if (!existsSync(values.traces)) fail(`--traces: there is no folder ${values.traces}; npm run replay:traces -- --from DIR makes it`)
const partial = names.length < Object.keys(scenarios).length

const began = performance.now()
const say = (line: string): void => { process.stderr.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${line}\n`) }
const threads = new Threads(count, values.traces, error => fail(error.stack ?? error.message))
const ticks = setInterval(() => say(`${threads.done} runs done`), 15_000)
const comparisons = await Promise.all(names.map(async name => await compare(threads, name, seed, say)))
clearInterval(ticks)
await threads.close()
say(`${threads.done} runs in all`)

writeFileSync(values.json, JSON.stringify(comparisons, undefined, 1) + '\n')
if (!values['no-document'] && !partial) {
  const file = 'docs/routing-quality.md'
  writeFileSync(file, replaced(readFileSync(file, 'utf8'), made(comparisons, `npm run replay:quality${seed === 1 ? '' : ` -- --seed ${seed}`}`)))
  writeFileSync('docs/images/routing-quality.svg', chart(comparisons))
}
const verdicts = judge(comparisons)
for (const verdict of verdicts) process.stdout.write(lineOf(verdict) + '\n')
process.stdout.write(`${verdicts.filter(({ met }) => met).length} of ${verdicts.length} bars met\n`)
