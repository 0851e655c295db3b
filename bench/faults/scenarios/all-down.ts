// Every worker is gone for a while and then back: the router must not storm, and must serve again at once.
import { flagsFor } from '../configuration.ts'
import { atMost } from '../figures.ts'
import { startFleet } from '../fleet.ts'
import { Load, tally } from '../load.ts'
import { startRouter } from '../router.ts'
import type { Scenario } from '../scenario.ts'
import { pause } from '../wait.ts'

const workers = 8

/** All workers down, then back. */
export const allDown: Scenario = async (scale, policy) => {
  const began = performance.now()
  const fleet = await startFleet(workers)
  const router = await startRouter(fleet.urls, [...flagsFor(scale.patience), '--policy', policy])
  const everyone = fleet.urls.map((_, at) => at)
  try {
    await router.ready(workers)
    const before = await router.attempts()
    const load = new Load({ to: () => router.url, perSecond: scale.perSecond })
    await pause(scale.calmMs)
    await fleet.fail(everyone, { mode: 'refuse' })
    const downAt = load.now
    await pause(scale.allDownMs)
    await fleet.fail(everyone, { mode: 'none' })
    const backAt = load.now
    await pause(scale.short ? 5000 : 6000)
    const outcomes = await load.stop()
    const attempts = await router.attempts() - before
    const during = outcomes.filter(({ sentAt }) => sentAt >= downAt && sentAt < backAt)
    const lastRefused = Math.max(backAt, ...outcomes.filter(({ fate, sentAt }) => fate !== 'ok' && sentAt >= backAt).map(({ sentAt }) => sentAt))
    const slowest = Math.max(...during.map(({ sentAt, endedAt }) => endedAt - sentAt))
    return {
      scenario: 'all-down',
      policy,
      seconds: (performance.now() - began) / 1000,
      figures: {
        requests: String(outcomes.length),
        'refused while down': `${tally(during).refused} of ${during.length}`,
        'longest wait for an answer while down': `${(slowest / 1000).toFixed(1)} s`,
        reasons: tally(during).reasons
      },
      bars: [
        atMost('attempts per request', attempts / outcomes.length, 1.2, '', 2),
        atMost('last failure after the return', (lastRefused - backAt) / 1000, 2 * scale.patience, ' s', 2)
      ]
    }
  } finally {
    await Promise.all([router.close(), fleet.close()])
  }
}
