// Plays a trace against a fleet: by its own moments, or session by session with time to think.
import type { EngineOptions } from '../../simulator/engine-options.ts'
import { ReplayFleet } from './fleet.ts'
import type { Outcome, PolicyMaker } from './fleet.ts'
import type { ClosedTrace, OpenTrace, Trace } from './trace.ts'

/** How a trace is played. */
export interface ReplayOptions {
  readonly workers: number
  readonly engine: EngineOptions
  readonly policy: PolicyMaker
  readonly seed: number
  /** Open loop: the trace's time passes so many times as fast. Closed loop: so many times the sessions at the same time. */
  readonly load: number
}

/** What a replay brought. */
export interface Replayed {
  readonly outcomes: readonly Outcome[]
  /** Prompts too long for an engine. */
  readonly refused: number
  /** Virtual milliseconds from the first request to the last token. */
  readonly spanMs: number
  /** Mean requests in flight, by worker. */
  readonly loads: readonly number[]
}

function playOpen (fleet: ReplayFleet, trace: OpenTrace, load: number): void {
  const { arrivals } = trace
  let next = 0
  // one timer at a time: a heap of all arrivals would slow every step of every engine
  const send = (): void => {
    const arrival = arrivals[next++]
    if (arrival === undefined) return
    fleet.send(arrival)
    const following = arrivals[next]
    if (following !== undefined) fleet.clock.after(following.at / load - fleet.clock.now(), send)
  }
  const [first] = arrivals
  if (first !== undefined) fleet.clock.after(first.at / load, send)
  fleet.clock.run()
}

/** Numbers of blocks in a copy of a session: the same shape, nothing shared with the original. */
function moved (blocks: readonly number[], copy: number): readonly number[] {
  return copy === 0 ? blocks : blocks.map(block => block + copy * 1e9)
}

function playClosed (fleet: ReplayFleet, trace: ClosedTrace, load: number): void {
  const { sessions } = trace
  const clients = Math.max(1, Math.round(sessions.length * load))
  // each client plays one session after another, every one of them twice in all on average
  const total = Math.max(clients, sessions.length) * 2
  let started = 0
  const play = (): void => {
    const number = started++
    if (number >= total) return
    const copy = Math.floor(number / sessions.length)
    const turns = sessions[number % sessions.length] ?? []
    const step = (at: number): void => {
      const turn = turns[at]
      if (turn === undefined) {
        play()
        return
      }
      const session = turn.session === undefined ? undefined : `${turn.session}-${copy}`
      fleet.clock.after(turn.thinkMs, () => fleet.send({ ...turn, session, blocks: moved(turn.blocks, copy) }, () => step(at + 1)))
    }
    step(0)
  }
  // not all in the same moment
  for (let client = 0; client < clients; client++) fleet.clock.after(client * 30_000 / clients, play)
  fleet.clock.run()
}

/** Plays a trace under one policy; the same arguments always bring the same outcomes. */
export function replay (trace: Trace, options: ReplayOptions): Replayed {
  const fleet = new ReplayFleet(options.workers, { ...options.engine }, options.policy, options.seed)
  if (trace.loop === 'open') playOpen(fleet, trace, options.load)
  else playClosed(fleet, trace, options.load)
  return { outcomes: fleet.outcomes, refused: fleet.refused, spanMs: fleet.clock.now(), loads: fleet.loads() }
}
