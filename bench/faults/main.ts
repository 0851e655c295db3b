// `npm run test:faults`: runs the scenarios, prints their figures as they come, and fails when a bar is missed.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { policies } from './configuration.ts'
import type { Result } from './figures.ts'
import { abandonLoads } from './load.ts'
import { endAll } from './processes.ts'
import { resultLines, writeTables } from './report.ts'
import { fullScale, shortScale } from './scenario.ts'
import { culpritScenario, faultNames } from './scenarios/culprit.ts'
import { allDown } from './scenarios/all-down.ts'
import { disconnects } from './scenarios/disconnects.ts'
import { rollingRouters } from './scenarios/rolling-routers.ts'
import { rollingWorkers } from './scenarios/rolling-workers.ts'
import { slowReaders } from './scenarios/slow-readers.ts'
import { slowloris } from './scenarios/slowloris.ts'
import { runSoak } from './scenarios/soak.ts'
import type { Scenario } from './scenario.ts'

const usage = `test:faults [--short] [--scenario NAME]… [--policy NAME]… [--json FILE] [--write FILE.md]

  --short     a little of everything, in seconds
  --scenario  only these: ${faultNames.join(', ')}, all-down, rolling-workers, rolling-routers, slow-readers, slowloris, disconnects, soak
  --policy    only these: ${policies.join(', ')}
  --json      writes the results to a file
  --write     writes the tables between the markers of a document
`

const soak: Scenario = (scale, policy) => runSoak({ requests: scale.soakRequests, policy, samples: 10, warmUp: 0.4 })

/** Those that run with each policy, and those that run with one. */
const everyPolicy = new Map<string, Scenario>(faultNames.map(name => [name, culpritScenario(name)]))
const onePolicy = new Map<string, Scenario>([
  ['all-down', allDown], ['rolling-workers', rollingWorkers], ['rolling-routers', rollingRouters],
  ['slow-readers', slowReaders], ['slowloris', slowloris], ['disconnects', disconnects], ['soak', soak]
])

/** Faults of the short form, each with another policy: starting processes is most of its time. */
const shortFaults = ['failing-fast', 'hanging', 'reset-within', 'kill-loop']

/** What runs, in order. */
function * plan (scenarios: readonly string[] | undefined, only: readonly string[] | undefined, short: boolean): Generator<[string, string, Scenario]> {
  const chosen = (name: string): boolean => scenarios?.includes(name) ?? true
  const faults = [...everyPolicy].filter(([name]) => chosen(name))
  if (short && only === undefined && scenarios === undefined) {
    for (const [at, name] of shortFaults.entries()) yield [name, policies[at % policies.length] ?? 'cache_aware', culpritScenario(name)]
  } else for (const policy of only ?? policies) for (const [name, scenario] of faults) yield [name, policy, scenario]
  for (const [name, scenario] of onePolicy) if (chosen(name)) for (const policy of only ?? ['cache_aware']) yield [name, policy, scenario]
}

async function main (): Promise<number> {
  const { values } = parseArgs({
    options: {
      short: { type: 'boolean', default: false },
      scenario: { type: 'string', multiple: true },
      policy: { type: 'string', multiple: true },
      json: { type: 'string' },
      write: { type: 'string' },
      help: { type: 'boolean', default: false }
    }
  })
  const unknown = values.scenario?.find(name => !everyPolicy.has(name) && !onePolicy.has(name)) ?? values.policy?.find(name => !policies.some(one => one === name))
  if (values.help || unknown !== undefined) {
    process.stdout.write(unknown === undefined ? usage : `unknown: ${unknown}\n${usage}`)
    return unknown === undefined ? 0 : 2
  }
  const scale = values.short ? shortScale : fullScale
  const results: Result[] = []
  const work = [...plan(values.scenario, values.policy, values.short)]
  // short runs measure no times, so some may go at the same time
  await Promise.all(Array.from({ length: values.short ? 3 : 1 }, async () => {
    for (let next = work.shift(); next !== undefined; next = work.shift()) {
      const [name, policy, scenario] = next
      const began = performance.now()
      const result = await scenario(scale, policy).catch((error: unknown): Result => ({
        scenario: name,
        policy,
        seconds: (performance.now() - began) / 1000,
        figures: {},
        bars: [{ name: 'runs', ok: false, measured: String(error), wanted: 'to the end' }]
      }))
      if (!values.short) abandonLoads()
      results.push(result)
      process.stdout.write(resultLines(result))
      if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(results, undefined, 2))
    }
  }))
  const missed = results.filter(({ bars }) => bars.some(({ ok }) => !ok)).length
  process.stdout.write(`${results.length - missed} of ${results.length} met their bars\n`)
  if (values.write !== undefined) writeTables(values.write, results)
  return missed === 0 ? 0 : 1
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { void endAll().then(() => process.exit(1)) })
try {
  process.exitCode = await main()
} finally {
  abandonLoads()
  await endAll()
  // whatever a scenario that failed left behind
  process.exit(process.exitCode)
}
