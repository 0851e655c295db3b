// `npm run bench:pd`: plays a trace against simulated prefill and decode workers, splitting always, never, and as the router does.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { splitDefaults } from '../../disaggregation/split-rule.ts'
import { isPolicyName, policyNames } from '../../policies/index.ts'
import { formatNames, readTraces } from '../replay/formats.ts'
import { engineFor, profiles } from '../replay/profiles.ts'
import type { ProfileName } from '../replay/profiles.ts'
import { PrefixNumbers } from '../replay/trace.ts'
import { playSplit } from './run.ts'
import type { PdFigures } from './run.ts'

const usage = `npm run bench:pd -- --trace FILE [options]

  --format NAME          ${formatNames.slice(0, 2).join(' or ')}; default mooncake
  --load X,…             how many times as fast the moments of the trace pass; default 1
  --min-uncached N,…     values of --pd-min-uncached-tokens beside 0 (always) and inf (never); default that of the router
  --max-backlog N,…      values of --pd-max-prefill-backlog; default that of the router
  --prefill N --decode N workers; default 2 and 4
  --prefill-policy NAME  ${policyNames.join(', ')}; default cache_aware
  --decode-policy NAME   default cache_aware
  --profile NAME         ${Object.keys(profiles).join(' or ')}; default qwen3-32b-2xh100
  --network-gbs X        how fast KV caches go from worker to worker, in GB/s; default 25
  --requests N           only the first N of the trace
  --seed N               default 1
  --json FILE            write the figures
  --check                end with 1 where TTFT p90 of the router's way is not 30 % below that of both others
`

const { values } = parseArgs({
  options: {
    trace: { type: 'string' },
    format: { type: 'string', default: 'mooncake' },
    load: { type: 'string', default: '1' },
    'min-uncached': { type: 'string', default: String(splitDefaults.minUncached) },
    'max-backlog': { type: 'string', default: String(splitDefaults.maxBacklog) },
    prefill: { type: 'string', default: '2' },
    decode: { type: 'string', default: '4' },
    'prefill-policy': { type: 'string', default: 'cache_aware' },
    'decode-policy': { type: 'string', default: 'cache_aware' },
    profile: { type: 'string', default: 'qwen3-32b-2xh100' },
    'network-gbs': { type: 'string', default: '25' },
    requests: { type: 'string', default: 'inf' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false }
  }
})
const numberOf = (text: string): number => text === 'inf' ? Infinity : Number(text)
const numbersOf = (text: string): number[] => text.split(',').map(numberOf)
const format = formatNames.find(name => name === values.format)
const profile = Object.hasOwn(profiles, values.profile) ? profiles[values.profile as ProfileName] : undefined
const policies = [values['prefill-policy'], values['decode-policy']]
if (values.help || values.trace === undefined || format === undefined || format === 'session' || profile === undefined || !policies.every(isPolicyName)) {
  process.stdout.write(usage)
  process.exit(values.help ? 0 : 2)
}
const [trace] = readTraces(format, [values.trace], new PrefixNumbers())
if (trace?.loop !== 'open') throw new Error('the trace has no moments')

interface Row {
  readonly load: number
  readonly minUncached: number
  readonly maxBacklog: number
  readonly figures: PdFigures
}

const always = { minUncached: 0, maxBacklog: 0 }
const never = { minUncached: Infinity, maxBacklog: 0 }
const between = numbersOf(values['min-uncached']).flatMap(minUncached => numbersOf(values['max-backlog']).map(maxBacklog => ({ minUncached, maxBacklog })))
const loads = numbersOf(values.load)
const rows: Row[] = []
const seconds = (ms: number): string => (ms / 1000).toFixed(2)
process.stdout.write(`${trace.name}: ${values.prefill} prefill and ${values.decode} decode workers, ${values.profile}\n\n` +
  '| load | min uncached | max backlog | split | TTFT p50, p90, p99 (s) | ITL p90, p99 (ms) | single gap p99 (ms) |\n|---|---|---|---|---|---|---|\n')
for (const load of loads) {
  for (const limits of [always, ...between, never]) {
    const figures = playSplit(trace, {
      prefill: Number(values.prefill),
      decode: Number(values.decode),
      engine: { ...engineFor(profile, trace.blockSize), kvTransferMsPerToken: profile.kvBytes / Number(values['network-gbs']) / 1e6 },
      prefillPolicy: values['prefill-policy'],
      decodePolicy: values['decode-policy'],
      limits,
      seed: Number(values.seed)
    }, load, numberOf(values.requests))
    rows.push({ load, ...limits, figures })
    const name = limits === always ? '0 (always)' : limits === never ? 'inf (never)' : String(limits.minUncached)
    process.stdout.write(`| ${load} | ${name} | ${limits.maxBacklog === 0 ? '–' : limits.maxBacklog} | ${(100 * figures.split).toFixed(0)} % | ` +
      `${seconds(figures.ttft_p50_ms)}, ${seconds(figures.ttft_p90_ms)}, ${seconds(figures.ttft_p99_ms)} | ${figures.itl_p90_ms.toFixed(0)}, ${figures.itl_p99_ms.toFixed(0)} | ` +
      `${figures.gap_p99_ms.toFixed(0)} |\n`)
  }
}
process.stdout.write('\n')
let missed = false
for (const load of loads) {
  const of = ({ minUncached, maxBacklog }: typeof always): number | undefined =>
    rows.find(row => row.load === load && row.minUncached === minUncached && row.maxBacklog === maxBacklog)?.figures.ttft_p90_ms
  for (const limits of between) {
    const own = of(limits) ?? NaN
    const [toAlways, toNever] = [always, never].map(other => 100 * (1 - own / (of(other) ?? NaN)))
    missed ||= !((toAlways ?? 0) >= 30 && (toNever ?? 0) >= 30)
    process.stdout.write(`load ${load}, ${limits.minUncached} and ${limits.maxBacklog}: TTFT p90 is ${toAlways?.toFixed(0)} % below always, ${toNever?.toFixed(0)} % below never\n`)
  }
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(rows, undefined, 2))
if (values.check && missed) process.exitCode = 1
