// Simulated prefill and decode workers with a KV connector before a router, and what became of the blocks between them.
import type { Test } from 'tap'
import { P2pNcclSource } from '../../discovery/p2p-nccl.ts'
import type { VllmRouterOptions } from '../../router.ts'
import type { KvConnector, StartedSimulator, StartOptions } from '../../simulator/index.ts'
import { post } from './client.ts'
import { startRouter, startWorkers } from './router.ts'
import type { TestRouter } from './router.ts'
import { until } from './until.ts'

/** A fleet of both kinds. */
export interface KvFleet extends TestRouter {
  readonly prefill: readonly StartedSimulator[]
  readonly decode: readonly StartedSimulator[]
  /** Blocks kept for somebody, over the fleet. */
  heldBlocks (): number
  /** Results of transfers over the fleet, zeros left out. */
  results (): Record<string, number>
  /** Requests that would have ended a real engine, and blocks that were sent and never asked for. */
  harm (): { deaths: number, unclaimed: number }
}

/** What to start. */
export interface KvFleetOptions {
  readonly connector: KvConnector
  readonly prefills?: number
  readonly decodes?: number
  /** Of every worker. */
  readonly worker?: StartOptions
  /** Of the workers of one pool. */
  readonly prefill?: StartOptions
  readonly decode?: StartOptions
  readonly router?: VllmRouterOptions
}

/** Starts it; workers that announce themselves are found so, the others are written down. */
export async function startKvFleet (t: Test, options: KvFleetOptions): Promise<KvFleet> {
  const { connector, prefills = 2, decodes = 2 } = options
  const announces = connector === 'p2p-nccl' || connector === 'moriio'
  const common = { connector, interTokenLatencyMs: 1, ...options.worker } as const
  const settings: VllmRouterOptions = {
    vllmPdDisaggregation: true,
    pdMinUncachedTokens: 0,
    retryInitialBackoffMs: 1,
    retryBudgetMinPerSecond: 1000,
    ...(announces ? { vllmDiscoveryAddress: '127.0.0.1:0' } : { kvConnector: connector }),
    ...options.router
  }
  const start = async (register: object): Promise<[StartedSimulator[], StartedSimulator[]]> => [
    await startWorkers(t, prefills, { ...common, ...register, role: 'prefill', ...options.prefill }),
    await startWorkers(t, decodes, { ...common, ...register, role: 'decode', ...options.decode })
  ]
  let router: TestRouter
  let pools: [StartedSimulator[], StartedSimulator[]]
  if (announces) {
    router = await startRouter(t, settings)
    const source = router.router.discovery.find(one => one instanceof P2pNcclSource)
    pools = await start({ register: source?.endpoint ?? '', registerIntervalMs: 200 })
  } else {
    pools = await start({})
    router = await startRouter(t, {
      ...settings,
      // its port for other workers stands for the bootstrap server, too
      prefill: pools[0].map(({ url, app }) => connector === 'mooncake' ? `${url} ${app.simulator.kv?.kvPort ?? ''}` : url),
      decode: pools[1].map(({ url }) => url)
    }, false)
  }
  const [prefill, decode] = pools
  const all = [...prefill, ...decode]
  const { workers } = router.router
  await until('all workers are known and ready', () => new Set(workers.list().filter(worker => worker.state === 'ready').map(worker => worker.url)).size === all.length, 15_000)
  if (connector === 'mooncake') {
    // until its bootstrap server has told, a prefill worker takes no part
    await until('every prefill worker takes part', async () => {
      await (await post(router.url + '/v1/completions', { model: 'simulated', prompt: 'a', max_tokens: 1 })).text()
      return prefill.every(({ app }) => app.simulator.requests.some(request => request.url === '/v1/completions'))
    })
  }
  return {
    ...router,
    prefill,
    decode,
    heldBlocks: () => all.flatMap(({ app }) => app.simulator.engines).reduce((sum, engine) => sum + engine.stats().heldBlocks, 0),
    results () {
      const sums: Record<string, number> = {}
      for (const { app } of all) for (const [result, count] of app.simulator.kv?.results ?? []) if (count > 0) sums[result] = (sums[result] ?? 0) + count
      return sums
    },
    harm: () => ({
      deaths: all.reduce((sum, { app }) => sum + (app.simulator.kv?.deaths ?? 0), 0),
      unclaimed: all.reduce((sum, { app }) => sum + (app.simulator.kv?.unclaimed ?? 0), 0)
    })
  }
}
