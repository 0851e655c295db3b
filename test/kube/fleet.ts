// Simulated workers on addresses of 127.0.0.0/8, all on one port as pods have it.
import type { Test } from 'tap'
import { startSimulator } from '../../simulator/index.ts'
import type { StartedSimulator } from '../../simulator/start.ts'

export interface Fleet {
  readonly port: number
  /** By address. */
  readonly workers: Map<string, StartedSimulator>
}

/** Starts one worker on each address; they end with the test. */
export async function startFleet (t: Test, addresses: readonly string[]): Promise<Fleet> {
  const workers = new Map<string, StartedSimulator>()
  t.teardown(() => Promise.all([...workers.values()].map(worker => worker.close())))
  let port = 0
  for (const host of addresses) {
    const worker = await startSimulator({ host, port, interTokenLatencyMs: 1 })
    port = Number(new URL(worker.url).port)
    workers.set(host, worker)
  }
  return { port, workers }
}
