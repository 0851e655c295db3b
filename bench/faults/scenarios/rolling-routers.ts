// Two routers are restarted one after the other under load that follows their readiness, as a Service of Kubernetes does.
import { flagsFor } from '../configuration.ts'
import { atMost } from '../figures.ts'
import { startFleet } from '../fleet.ts'
import { Load, tally } from '../load.ts'
import { end } from '../processes.ts'
import { startRouter } from '../router.ts'
import type { RouterProcess } from '../router.ts'
import type { Scenario } from '../scenario.ts'
import { pause, until } from '../wait.ts'

const workers = 4

async function isReady (router: RouterProcess): Promise<boolean> {
  try {
    return (await fetch(`${router.url}/readiness`, { signal: AbortSignal.timeout(1000) })).ok
  } catch {
    return false
  }
}

/** Rolling restart of the routers. */
export const rollingRouters: Scenario = async (scale, policy) => {
  const began = performance.now()
  const fleet = await startFleet(workers)
  const all = [...flagsFor(scale.patience), '--policy', policy, '--drain-delay-secs', scale.short ? '1' : '2']
  const routers = await Promise.all([startRouter(fleet.urls, all), startRouter(fleet.urls, all)])
  let taking: RouterProcess[] = []
  const over = new AbortController()
  const watch = (async () => {
    while (!over.signal.aborted) {
      const states = await Promise.all(routers.map(async router => await isReady(router) ? [router] : []))
      taking = states.flat()
      await pause(100)
    }
  })()
  try {
    await until('both ready', () => taking.length === 2)
    let turn = 0
    const load = new Load({ to: () => taking[turn++ % taking.length]?.url ?? 'http://127.0.0.1:9', perSecond: scale.perSecond })
    await pause(scale.calmMs)
    const codes: Array<number | null> = []
    const notReadyMs: number[] = []
    for (const at of routers.keys()) {
      const old = routers[at]
      if (old === undefined) continue
      const signalledAt = performance.now()
      const ended = end(old.child, 'SIGTERM')
      await until('readiness turns', async () => !(await isReady(old)), 5000, 5)
      notReadyMs.push(performance.now() - signalledAt)
      codes.push((await ended)[0])
      routers[at] = await startRouter(fleet.urls, all, { port: Number(new URL(old.url).port) })
      await until('both ready', () => taking.length === 2)
      await pause(scale.calmMs / 2)
    }
    const tallied = tally(await load.stop())
    return {
      scenario: 'rolling-routers',
      policy,
      seconds: (performance.now() - began) / 1000,
      figures: {
        requests: String(tallied.requests),
        'readiness 503 after': notReadyMs.map(value => `${value.toFixed(0)} ms`).join(', '),
        ...(tallied.reasons === '' ? {} : { reasons: tallied.reasons })
      },
      bars: [
        atMost('failed requests', tallied.refused + tallied.broken, 0),
        { name: 'exit codes', ok: codes.every(code => code === 0), measured: codes.join(', '), wanted: '0' }
      ]
    }
  } finally {
    over.abort()
    await watch
    await Promise.all([...routers.map(router => router.close()), fleet.close()])
  }
}
