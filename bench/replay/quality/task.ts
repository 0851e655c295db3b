// One run of the comparison: a scenario, a policy, a load. Runs in a thread.
import { OutstandingWork } from '../../../policies/outstanding-work.ts'
import type { Policy } from '../../../policies/policy.ts'
import { contender } from '../contenders.ts'
import { figuresOf } from '../figures.ts'
import type { Figures } from '../figures.ts'
import type { PolicyMaker } from '../fleet.ts'
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

/** Figures of a run, and what was learned of the engines while it went on. */
export interface TaskFigures extends Figures {
  /** Prompt tokens a second as the router's own code learns them from the same requests, over the engine's true rate. */
  readonly learned_prefill_rate: number
}

/** The same policy; what it is told, `work` is told as well. */
function watched (policy: Policy, work: OutstandingWork): Policy {
  return {
    ...policy,
    dispatched (worker, routing) {
      work.dispatched(worker, routing, work.tokens(routing.prefix.length))
      policy.dispatched?.(worker, routing)
    },
    firstByte (worker, routing) {
      work.firstByte(worker, routing)
      policy.firstByte?.(worker, routing)
    },
    finished (worker, routing, how) {
      work.finished(worker, routing, how)
      policy.finished?.(worker, routing, how)
    }
  }
}

/** Runs it; the same task always has the same figures. */
export function runTask (folder: string, { scenario, policy, load, seed }: Task): TaskFigures {
  let trace = traces.get(scenario)
  if (trace === undefined) traces.set(scenario, trace = traceOf(folder, scenario))
  const { profile, workers, slo, closedSecs }: Scenario = scenarios[scenario]
  const engine = engineFor(profiles[profile], trace.blockSize)
  const make = contender(policy)
  let work: OutstandingWork | undefined
  const maker: PolicyMaker = context => {
    work = new OutstandingWork(context.now)
    return watched(make(context), work)
  }
  const figures = figuresOf(replay(trace, { workers, engine, policy: maker, seed, load, ...(closedSecs === undefined ? {} : { closedMs: closedSecs * 1000 }) }), slo)
  return { ...figures, learned_prefill_rate: work === undefined ? NaN : 1000 / work.fleet.perToken / profiles[profile].engine.prefillRate }
}
