// The order of things: rounds of all scenarios, each with all targets one after the other, the other way round every second time.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { corpusText } from './corpus.ts'
import { startWorkers } from './harness.ts'
import type { FakeWorkers } from './harness.ts'
import { takeSample } from './sample.ts'
import type { Sample, Setting } from './sample.ts'
import type { Scenario } from './scenarios.ts'
import { oursName } from './targets.ts'
import type { Target } from './targets.ts'

/** What is run. */
export interface Plan {
  readonly scenarios: readonly Scenario[]
  readonly targets: readonly Target[]
  readonly rounds: number
}

async function workersFor (setting: Setting, scenario: Scenario): Promise<FakeWorkers> {
  const { count: events = 200, paceMs = 0 } = scenario.events ?? {}
  return await startWorkers(setting.programs, { count: scenario.workers, events, paceMs })
}

function corpusFile (setting: Setting, scenario: Scenario): string | undefined {
  if (scenario.load === undefined) return undefined
  const file = join(setting.folder, `${scenario.name}.jsonl`)
  writeFileSync(file, corpusText(scenario.load.corpus, scenario.load.stream === true))
  return file
}

/** Half of the rate this router reaches in the scenario when nothing holds it back. */
async function halfCapacity (setting: Setting, scenario: Scenario, targets: readonly Target[], workers: FakeWorkers, corpus: string | undefined): Promise<number> {
  const ours = targets.find(({ name }) => name === oursName)
  if (ours === undefined) throw new Error(`${scenario.name} needs the target ${oursName}`)
  const { load, error } = await takeSample(setting, scenario, ours, 0, workers, corpus, undefined)
  if (load === undefined || load.requests === 0) throw new Error(`${scenario.name}: no capacity was found: ${error ?? load?.firstError}`)
  return Math.max(1, Math.round(load.requests / load.seconds / 2))
}

/** Runs all; `taken` is called with each sample as it comes. A round is over before the next begins, so that one that is cut short leaves whole ones. */
export async function runRounds (setting: Setting, plan: Plan, taken: (sample: Sample) => void): Promise<void> {
  const rates = new Map<string, number>()
  for (let round = 1; round <= plan.rounds; round++) {
    for (const scenario of plan.scenarios) {
      if (round > (scenario.rounds ?? Infinity)) continue
      const corpus = corpusFile(setting, scenario)
      const workers = await workersFor(setting, scenario)
      try {
        if (scenario.load?.halfCapacity === true && !rates.has(scenario.name)) {
          rates.set(scenario.name, await halfCapacity(setting, scenario, plan.targets, workers, corpus))
        }
        // without a load there is nothing that could go past a target
        const inTurn = plan.targets.filter(target => scenario.prefills !== undefined ? target.splits === true : target.router || (scenario.routersOnly !== true && (scenario.load !== undefined || target.name !== 'direct')))
        for (const target of round % 2 === 1 ? inTurn : inTurn.toReversed()) {
          taken(await takeSample(setting, scenario, target, round, workers, corpus, rates.get(scenario.name)))
        }
      } finally {
        await workers.close()
      }
    }
  }
}
