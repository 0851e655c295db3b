// One run of the comparison: a scenario, a policy, a load. Runs in a thread.
import { contender } from '../contenders.ts'
import { figuresOf } from '../figures.ts'
import type { Figures } from '../figures.ts'
import { engineFor, profiles } from '../profiles.ts'
import { replay } from '../run.ts'
import type { Trace } from '../trace.ts'
import { scenarios, traceOf } from './scenarios.ts'
import type { Scenario, ScenarioName } from './scenarios.ts'

/** What to run. */
export interface Task {
  readonly scenario: ScenarioName
  readonly policy: string
  readonly load: number
  readonly seed: number
}

const traces = new Map<ScenarioName, Trace>()

/** Runs it; the same task always has the same figures. */
export function runTask (folder: string, { scenario, policy, load, seed }: Task): Figures {
  let trace = traces.get(scenario)
  if (trace === undefined) traces.set(scenario, trace = traceOf(folder, scenario))
  const { profile, workers, slo }: Scenario = scenarios[scenario]
  return figuresOf(replay(trace, { workers, engine: engineFor(profiles[profile], trace.blockSize), policy: contender(policy), seed, load }), slo)
}
