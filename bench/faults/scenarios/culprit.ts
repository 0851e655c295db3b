// One worker of eight is bad, in every way a worker can be; the other seven have to carry on as if it were not there.
import { budget, flagsFor } from '../configuration.ts'
import { atLeast, atMost, ms } from '../figures.ts'
import type { Result } from '../figures.ts'
import { startFleet } from '../fleet.ts'
import type { Fleet } from '../fleet.ts'
import { Load, tally, ttft } from '../load.ts'
import type { Outcome } from '../load.ts'
import { startRouter } from '../router.ts'
import type { Scale, Scenario } from '../scenario.ts'
import { pause } from '../wait.ts'

const well = 7

/** Where healthy workers need longer than so many milliseconds (undisturbed: 35), the machine had no time for the run and it is repeated … */
const busyMs = 80
/** … so often at most. */
const most = 2

/** What is done to the worker; resolves when `stopped` says so. */
type Fault = (culprit: Culprit, stopped: AbortSignal) => Promise<void>

/** The one worker: the first of its fleet, in a process of its own where it is to be killed. */
interface Culprit {
  fleet: Fleet
  readonly port: number
}

const faults: Record<string, Fault> = {
  'failing-fast': async ({ fleet }) => { await fleet.fail([0], { mode: 'status', status: 500 }) },
  hanging: async ({ fleet }) => { await fleet.fail([0], { mode: 'hang' }) },
  'slow-10x': async ({ fleet }) => { await fleet.tell({ do: 'slow', worker: 0, factor: 10 }) },
  'reset-before': async ({ fleet }) => { await fleet.fail([0], { mode: 'reset' }) },
  'reset-within': async ({ fleet }) => { await fleet.fail([0], { mode: 'reset_stream', afterChunks: 3 }) },
  async 'kill-loop' (culprit, stopped) {
    while (!stopped.aborted) {
      await culprit.fleet.close()
      await pause(500)
      culprit.fleet = await startFleet(1, culprit.port)
      for (let i = 0; i < 30 && !stopped.aborted; i++) await pause(50)
    }
  }
}

/** Names of the faults. */
export const faultNames: readonly string[] = Object.keys(faults)

/** The slowest streams of the time measured, and when they were sent after the fault began: what to look into when a bar is missed. */
function slowest (outcomes: readonly Outcome[], struckAt: number, from: number): string {
  return outcomes.filter(({ stream, sentAt }) => stream && sentAt >= from)
    .toSorted((a, b) => (b.firstByteMs ?? Infinity) - (a.firstByteMs ?? Infinity))
    .slice(0, 10).map(({ firstByteMs, sentAt }) => `${ms(firstByteMs ?? NaN)} at ${((sentAt - struckAt) / 1000).toFixed(1)} s`).join(', ')
}

/**
 * The scenario of one fault. Two routers with the same load at the same moments: one has the bad worker and seven others, the
 * other one seven healthy workers in the same process as those seven, so that whatever else the machine does happens to both.
 */
export function culpritScenario (name: string): Scenario {
  return async (scale, policy): Promise<Result> => {
    for (let repeated = 0; ; repeated++) {
      const { result, healthyP99 } = await once(name, scale, policy)
      // what the healthy fleet shows, the other one is not looked at: no run is chosen for its outcome
      if (scale.short || healthyP99 <= busyMs || repeated === most) return { ...result, figures: { ...result.figures, ...(repeated > 0 ? { 'repeated, machine busy': `${repeated} ×` } : {}) } }
    }
  }
}

async function once (name: string, scale: Scale, policy: string): Promise<{ result: Result, healthyP99: number }> {
  const fault = faults[name]
  if (fault === undefined) throw new RangeError(`no fault ${name}`)
  const began = performance.now()
  const compared = scale.short ? 0 : well
  const fleets = await Promise.all(name === 'kill-loop' ? [startFleet(1), startFleet(well + compared)] : [startFleet(1 + well + compared)])
  const urls = fleets.flatMap(fleet => fleet.urls)
  const [first] = fleets
  if (first === undefined) throw new RangeError('no fleet')
  const culprit: Culprit = { fleet: first, port: Number(new URL(urls[0] ?? '').port) }
  const all = [...flagsFor(scale.patience), '--policy', policy]
  const routers = await Promise.all([urls.slice(0, 1 + well), urls.slice(1 + well)].filter(some => some.length > 0).map(some => startRouter(some, all)))
  const [router, healthyRouter] = routers
  if (router === undefined) throw new RangeError('no router')
  const stop = new AbortController()
  try {
    await Promise.all([router.ready(well + 1), healthyRouter?.ready(well)])
    const before = await router.attempts()
    const loads = routers.map(one => new Load({ to: () => one.url, perSecond: scale.perSecond }))
    const [load] = loads
    if (load === undefined) throw new RangeError('no load')
    await pause(scale.calmMs)
    const struckAt = load.now
    const suffering = fault(culprit, stop.signal)
    // told where it is waited for
    suffering.catch(() => {})
    await pause(scale.onsetMs + scale.measuredMs)
    const [outcomes = [], healthyOutcomes = []] = await Promise.all(loads.map(one => one.stop()))
    const seconds = load.now / 1000
    stop.abort()
    await suffering
    const extra = await router.attempts() - before - outcomes.length
    const tallied = tally(outcomes)
    const from = struckAt + scale.onsetMs
    const late = ttft(outcomes, from)
    const healthy = ttft(healthyOutcomes, from)
    const result: Result = {
      scenario: name,
      policy,
      seconds: (performance.now() - began) / 1000,
      figures: {
        requests: String(tallied.requests),
        refused: String(tallied.refused),
        'streams cut after their first byte': String(tallied.broken),
        'TTFT p50, p99': `${ms(late.p50)}, ${ms(late.p99)}`,
        ...(scale.short ? {} : { 'seven healthy': `${ms(healthy.p50)}, ${ms(healthy.p99)}`, 'refused with seven healthy': String(tally(healthyOutcomes).refused) }),
        'TTFT p99 while finding out': ms(ttft(outcomes, struckAt, from).p99),
        slowest: slowest(outcomes, struckAt, from),
        'slowest of seven healthy': slowest(healthyOutcomes, struckAt, from),
        ...(tallied.reasons === '' ? {} : { reasons: tallied.reasons })
      },
      bars: [
        atLeast('success', tallied.successPercent, 99.9, ' %', 2),
        ...(scale.short ? [] : [atMost('TTFT p99 ratio', late.p99 / healthy.p99, 1.2, ' ×', 2)]),
        atMost('extra attempts', extra, budget(tallied.requests / seconds, seconds))
      ]
    }
    return { result, healthyP99: healthy.p99 }
  } finally {
    stop.abort()
    await Promise.all([...routers, culprit.fleet, ...fleets].map(one => one.close()))
  }
}
