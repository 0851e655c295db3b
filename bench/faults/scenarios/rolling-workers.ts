// Every worker is drained, restarted and added again, one after the other, under load: nobody notices.
import { flagsFor } from '../configuration.ts'
import { atMost, ms } from '../figures.ts'
import { startFleet } from '../fleet.ts'
import { Load, tally, ttft } from '../load.ts'
import { startRouter } from '../router.ts'
import type { Scenario } from '../scenario.ts'
import { pause, until } from '../wait.ts'

/** Rolling restart of the workers. */
export const rollingWorkers: Scenario = async (scale, policy) => {
  const began = performance.now()
  const workers = scale.short ? 4 : 8
  const fleet = await startFleet(workers)
  const router = await startRouter(fleet.urls, [...flagsFor(scale.patience), '--policy', policy])
  try {
    await router.ready(workers)
    const load = new Load({ to: () => router.url, perSecond: scale.perSecond })
    await pause(scale.calmMs)
    for (const [worker, url] of fleet.urls.entries()) {
      const removed = await fetch(`${router.url}/workers/${encodeURIComponent(url)}?drain=true`, { method: 'DELETE' })
      if (!removed.ok) throw new Error(`DELETE /workers: ${removed.status} ${await removed.text()}`)
      await until('the worker is drained', async () => (await router.workers()).every(one => one.url !== url))
      await fleet.tell({ do: 'restart', worker })
      const added = await fetch(`${router.url}/workers`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ url }) })
      if (!added.ok) throw new Error(`POST /workers: ${added.status} ${await added.text()}`)
      await router.ready(workers)
      await pause(scale.calmMs / 4)
    }
    const outcomes = await load.stop()
    const all = tally(outcomes)
    return {
      scenario: 'rolling-workers',
      policy,
      seconds: (performance.now() - began) / 1000,
      figures: {
        requests: String(all.requests),
        restarts: String(workers),
        'TTFT p99': ms(ttft(outcomes).p99),
        ...(all.reasons === '' ? {} : { reasons: all.reasons })
      },
      bars: [atMost('failed requests', all.refused + all.broken, 0)]
    }
  } finally {
    await Promise.all([router.close(), fleet.close()])
  }
}
