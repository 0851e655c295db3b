// `npm run bench`: measures this router, plain proxies and peers side by side, and says which bars are met.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { endAll } from '../faults/processes.ts'
import { circumstances } from './machine.ts'
import { cacheFolder, compile, NoCompilerError } from './native.ts'
import { profileLines } from './profile.ts'
import { garbageLine, sampleLine, terminalReport, verdicts, writeTables } from './report.ts'
import type { Results } from './report.ts'
import { runRounds } from './rounds.ts'
import { profileFile } from './sample.ts'
import type { Sample } from './sample.ts'
import { scenarios } from './scenarios.ts'
import { oursName, serverFile, targets } from './targets.ts'

const usage = `npm run bench -- [options]

  --scenario NAME…   only these (may be repeated); see --list
  --targets NAME…    only these: ${targets.map(({ name }) => name).join(', ')}; default all that are installed, without router-2p
  --rounds N         rounds of all scenarios; default 3
  --seconds S        measured window of each sample; default 5
  --warmup S         load before it; default 2
  --requests N       where a scenario sends a number of requests, that many; default its own
  --server FILE      the router's compiled server.js; default dist/server.js
  --peers DIR        where bench/setup put the peers; default .bench/peers
  --node-flag FLAG   start targets that run on Node with this flag (may be repeated)
  --profile DIR      take CPU profiles of the measured windows of targets that run on Node, and list where the time went
  --json FILE        write all samples
  --write FILE.md    write the tables between the markers of a document
  --check            end with 1 when a bar is missed
  --list             what there is
`

/** A list as people give it: repeated, or with commas. */
function names (given: readonly string[] | undefined): string[] | undefined {
  return given?.flatMap(one => one.split(',')).filter(one => one !== '')
}

/** A positive number, or undefined after a word about it. */
function positive (name: string, text: string, whole: boolean): number | undefined {
  const value = Number(text)
  if (Number.isFinite(value) && value > 0 && (!whole || Number.isInteger(value))) return value
  process.stderr.write(`--${name}: '${text}' is no ${whole ? 'whole ' : ''}number above 0\n`)
  return undefined
}

async function main (argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      scenario: { type: 'string', multiple: true },
      targets: { type: 'string', multiple: true },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '5' },
      warmup: { type: 'string', default: '2' },
      requests: { type: 'string' },
      server: { type: 'string' },
      peers: { type: 'string', default: join(cacheFolder, 'peers') },
      'node-flag': { type: 'string', multiple: true, default: [] },
      profile: { type: 'string' },
      json: { type: 'string' },
      write: { type: 'string' },
      check: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  // `--scenario a b`: what follows belongs to the option before it, which is the first one that takes a list
  const chosen = names([...values.scenario ?? [], ...positionals.filter(name => scenarios.some(scenario => scenario.name === name))])
  const wanted = names([...values.targets ?? [], ...positionals.filter(name => targets.some(target => target.name === name))])
  const unknown = [
    ...(chosen ?? []).filter(name => !scenarios.some(scenario => scenario.name === name)),
    ...(wanted ?? []).filter(name => !targets.some(target => target.name === name)),
    ...positionals.filter(name => !scenarios.some(scenario => scenario.name === name) && !targets.some(target => target.name === name))
  ]
  if (values.help || unknown.length > 0) {
    process[unknown.length > 0 ? 'stderr' : 'stdout'].write(`${unknown.length > 0 ? `unknown: ${unknown.join(', ')}\n` : ''}${usage}`)
    return unknown.length > 0 ? 2 : 0
  }
  const server = resolve(values.server ?? serverFile())
  const peers = resolve(values.peers)
  const missing: Record<string, string> = {}
  const present = targets.filter(({ name, onDemand = false }) => wanted === undefined || wanted.length === 0 ? !onDemand : wanted.includes(name)).filter(target => {
    if (target.version(peers, server) !== undefined) return true
    missing[target.name] = target.name === oursName ? `there is no ${server}` : `not installed; bench/setup ${target.name}`
    return false
  })
  if (values.list) {
    process.stdout.write(`scenarios\n${scenarios.map(({ name, title }) => `  ${name.padEnd(14)} ${title}\n`).join('')}\ntargets\n${targets.map(target =>
      `  ${target.name.padEnd(14)} ${missing[target.name] ?? target.version(peers, server)}\n`).join('')}`)
    return 0
  }
  const [rounds, seconds, warmup] = [positive('rounds', values.rounds, true), positive('seconds', values.seconds, false), positive('warmup', values.warmup, false)]
  const requests = values.requests === undefined ? 0 : positive('requests', values.requests, true)
  if (rounds === undefined || seconds === undefined || warmup === undefined || requests === undefined) return 2

  const programs = await compile()
  const folder = mkdtempSync(join(tmpdir(), 'vllm-router-bench-'))
  const profiles = values.profile === undefined ? undefined : resolve(values.profile)
  if (profiles !== undefined) mkdirSync(profiles, { recursive: true })
  const samples: Sample[] = []
  const plan = {
    scenarios: scenarios.filter(({ name }) => chosen === undefined || chosen.length === 0 || chosen.includes(name)).map(scenario =>
      requests === 0 || scenario.load?.requests === undefined ? scenario : { ...scenario, load: { ...scenario.load, requests } }),
    targets: present,
    rounds
  }
  const results: Results = {
    command: ['npm run bench', ...(argv.length > 0 ? ['--', ...argv] : [])].join(' '),
    circumstances: await circumstances(present, peers, server),
    scenarios: plan.scenarios,
    missing,
    samples
  }
  // below the 2^24 that the load generator tells apart
  let seed = Math.floor(Math.random() * 2 ** 23)
  try {
    await runRounds({ programs, seconds, warmup, server, peers, folder, profiles, nodeFlags: values['node-flag'], nextSeed: () => ++seed }, plan, sample => {
      samples.push(sample)
      process.stdout.write(sampleLine(sample))
      if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(results, undefined, 2))
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  process.stdout.write(`\n${terminalReport(results)}`)
  if (values.write !== undefined) writeTables(values.write, results)
  if (profiles !== undefined) {
    for (const scenario of plan.scenarios) {
      for (const target of present) {
        const file = profileFile(profiles, scenario, target)
        if (!existsSync(file)) continue
        const sample = samples.findLast(one => one.scenario === scenario.name && one.target === target.name)
        process.stdout.write(`\n${scenario.name}, ${target.name}: own time by whose code and by function (${file})\n${profileLines(file)}${garbageLine(sample)}`)
      }
    }
  }
  const broken = samples.some(({ error, load }) => error !== undefined || (load !== undefined && load.failed > 0))
  return broken || (values.check && verdicts(results).some(({ met }) => met === false)) ? 1 : 0
}

// whoever reads along has gone: nothing is left to be said, and nothing may be left running
process.stdout.once('error', () => { void endAll().then(() => process.exit(1)) })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { void endAll().then(() => process.exit(1)) })
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error instanceof NoCompilerError ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = 1
} finally {
  await endAll()
}
