// `npm run replay`: plays traces against a simulated fleet under several policies and prints what each brought.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createPolicy, isPolicyName, policyNames } from '../../policies/index.ts'
import { formatNames, readTraces, TraceError } from './formats.ts'
import { figuresOf } from './figures.ts'
import type { Figures } from './figures.ts'
import { engineFor, profiles } from './profiles.ts'
import { table } from './report.ts'
import { replay } from './run.ts'
import { PrefixNumbers } from './trace.ts'

const { values } = parseArgs({
  options: {
    trace: { type: 'string', multiple: true },
    format: { type: 'string', default: 'mooncake' },
    workers: { type: 'string', default: '16' },
    policies: { type: 'string', default: policyNames.join(',') },
    'time-scale': { type: 'string', default: '1' },
    profile: { type: 'string', default: 'llama-3.1-8b-h100' },
    'slo-ttft-ms': { type: 'string', default: '2000' },
    'slo-itl-ms': { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    'no-sessions': { type: 'boolean', default: false },
    json: { type: 'string' }
  },
  allowPositionals: true
})
const files = values.trace ?? []
const format = formatNames.find(name => name === values.format)
if (format === undefined) throw new TraceError(`--format: ${formatNames.join(', ')}, not ${values.format}`)
const profile = profiles[values.profile as keyof typeof profiles]
const all: Record<string, Record<string, Figures>> = {}
for (const trace of readTraces(format, files, new PrefixNumbers())) {
  const rows: Record<string, Figures> = {}
  for (const name of values.policies.split(',')) {
    if (!isPolicyName(name)) throw new RangeError(`unknown policy ${name}`)
    const began = performance.now()
    const brought = replay(trace, {
      workers: Number(values.workers),
      engine: engineFor(profile, trace.blockSize),
      policy: context => createPolicy(name, {}, context),
      seed: Number(values.seed),
      load: Number(values['time-scale'])
    })
    rows[name] = figuresOf(brought, { ttftMs: Number(values['slo-ttft-ms']), itlMs: Number(values['slo-itl-ms']) })
    process.stderr.write(`${trace.name} ${name}: ${((performance.now() - began) / 1000).toFixed(1)} s\n`)
  }
  all[trace.name] = rows
  process.stdout.write(`${trace.name}\n${table(rows)}\n`)
}
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(all, undefined, 2))
