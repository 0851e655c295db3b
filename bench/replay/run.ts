// Plays a trace against a fleet: by its own moments, or session by session with time to think.
import type { Policy } from '../../policies/policy.ts'
import type { EngineOptions } from '../../simulator/engine-options.ts'
import { playArrivals } from './arrivals.ts'
import { ReplayFleet } from './fleet.ts'
import type { Outcome, PolicyMaker } from './fleet.ts'
import type { ClosedTrace, Trace } from './trace.ts'

/** How a trace is played. */
export interface ReplayOptions {
  readonly workers: number
  readonly engine: EngineOptions
  readonly policy: PolicyMaker
  readonly seed: number
  /** Open loop: the trace's time passes so many times as fast. Closed loop: so many times the sessions at the same time. */
  readonly load: number
  /** Virtual milliseconds for which the clients of a closed loop go on; default an hour. */
  readonly closedMs?: number
  /** Called now and then with the part of the work that is done, 0 to 1. */
  readonly progress?: (done: number) => void
}

/** What a replay brought. */
export interface Replayed {
  readonly outcomes: readonly Outcome[]
  /** Prompts too long for an engine. */
  readonly refused: number
  /** Virtual milliseconds in which requests came; the same for every policy. */
  readonly windowMs: number
  /** Virtual milliseconds from the first request to the last token. */
  readonly spanMs: number
  /** Mean requests in flight, by worker. */
  readonly loads: readonly number[]
  /** The policy, for what it learned. */
  readonly policy: Policy
}

/** Nobody thinks longer than that, in milliseconds: recorded sessions hold nights, too. */
export const longestThinkMs = 300_000
/** Nor shorter. */
export const shortestThinkMs = 100
/** Clients of a closed loop begin within so many milliseconds, not all in the same moment. */
const beginMs = 60_000
/** Requests between two words on progress. */
const progressEvery = 500

/** Numbers of blocks in a copy of a session: the same shape, nothing shared with the original. */
function moved (blocks: readonly number[], copy: number): readonly number[] {
  return copy === 0 ? blocks : blocks.map(block => block + copy * 1e9)
}

function playClosed (fleet: ReplayFleet, trace: ClosedTrace, load: number, untilMs: number): void {
  const { sessions } = trace
  const clients = Math.max(1, Math.round(sessions.length * load))
  let started = 0
  // each client plays one session after another
  const play = (): void => {
    const number = started++
    const copy = Math.floor(number / sessions.length)
    const turns = sessions[number % sessions.length] ?? []
    const step = (at: number): void => {
      const turn = turns[at]
      if (turn === undefined) {
        play()
        return
      }
      const session = turn.session === undefined ? undefined : `${turn.session}-${copy}`
      fleet.clock.after(Math.max(shortestThinkMs, Math.min(turn.thinkMs, longestThinkMs)), () => {
        if (fleet.clock.now() < untilMs) fleet.send({ ...turn, session, blocks: moved(turn.blocks, copy) }, () => step(at + 1))
      })
    }
    step(0)
  }
  for (let client = 0; client < clients; client++) fleet.clock.after(client * beginMs / clients, play)
  fleet.clock.run()
}

/** Plays a trace under one policy; the same arguments always bring the same outcomes. */
export function replay (trace: Trace, options: ReplayOptions): Replayed {
  const fleet = new ReplayFleet(options.workers, { ...options.engine }, options.policy, options.seed)
  const { load, closedMs = 3_600_000, progress } = options
  if (progress !== undefined) {
    fleet.onSent = sent => {
      if (sent % progressEvery === 0) progress(trace.loop === 'open' ? sent / trace.arrivals.length : Math.min(1, fleet.clock.now() / closedMs))
    }
  }
  if (trace.loop === 'open') playArrivals(fleet.clock, trace.arrivals, load, arrival => { fleet.send(arrival) })
  else playClosed(fleet, trace, load, closedMs)
  const windowMs = trace.loop === 'closed' ? closedMs : (trace.arrivals.at(-1)?.at ?? 0) / load
  return { outcomes: fleet.outcomes, refused: fleet.refused, windowMs, spanMs: fleet.clock.now(), loads: fleet.loads(), policy: fleet.policy }
}
