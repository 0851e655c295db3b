// `npm run replay`: plays traces against a simulated fleet under several policies and prints what each brought.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createPolicy, isPolicyName, policyNames } from '../../policies/index.ts'
import { formatNames, readTraces } from './formats.ts'
import { figuresOf } from './figures.ts'
import type { Figures } from './figures.ts'
import { engineFor, profiles } from './profiles.ts'
import type { ProfileName } from './profiles.ts'
import { table } from './report.ts'
import { replay } from './run.ts'
import { PrefixNumbers } from './trace.ts'

const usage = `replay --trace FILE… [--format ${formatNames.join('|')}] [--workers N] [--policies a,b,…] [--time-scale X] [--profile NAME]
       [--slo-ttft-ms A] [--slo-itl-ms B] [--seed S] [--json OUT]

  policies: ${policyNames.join(', ')}
  profiles: ${Object.keys(profiles).join(', ')}
  time-scale: how many times as fast the moments of a trace pass; of sessions, how many times as many go on at the same time
`

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
    help: { type: 'boolean', default: false },
    json: { type: 'string' }
  },
  allowPositionals: true
})
const files = values.trace ?? []
const format = formatNames.find(name => name === values.format)
const profile = Object.hasOwn(profiles, values.profile) ? profiles[values.profile as ProfileName] : undefined
const names = values.policies.split(',')
const unknown = names.find(name => !isPolicyName(name))
if (values.help || files.length === 0 || format === undefined || profile === undefined || unknown !== undefined) {
  const wrong = unknown !== undefined
    ? `--policies: ${unknown} is unknown\n`
    : format === undefined ? `--format: ${values.format} is unknown\n` : profile === undefined ? `--profile: ${values.profile} is unknown\n` : ''
  process.stdout.write(wrong + usage)
  process.exit(values.help ? 0 : 2)
}
const all: Record<string, Record<string, Figures>> = {}
for (const trace of readTraces(format, files, new PrefixNumbers())) {
  const rows: Record<string, Figures> = {}
  for (const name of names) {
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
