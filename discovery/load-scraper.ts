// Reads how busy workers say they are, so that load-based policies also see requests that came by another way.
import type { Clock } from '../core/clock.ts'
import type { WorkerRegistry } from '../core/registry.ts'
import { Rounds } from './rounds.ts'
import type { WorkerClient } from './worker-client.ts'

/** Whom to ask, and how often. */
export interface LoadScraperOptions {
  registry: WorkerRegistry
  client: Pick<WorkerClient, 'loads'>
  clock: Clock
  random: () => number
  /** Between two looks at one server, in milliseconds. */
  intervalMs: number
}

/** Keeps `worker.foreignLoad`: what the worker counts beyond the requests that this router has there. */
export class LoadScraper {
  private readonly options: LoadScraperOptions
  private readonly rounds: Rounds

  constructor (options: LoadScraperOptions) {
    this.options = options
    this.rounds = new Rounds({ ...options, visit: url => this.look(url) })
  }

  start (): void {
    this.rounds.start()
  }

  stop (): void {
    this.rounds.stop()
  }

  private async look (url: string): Promise<number> {
    const { registry, client, intervalMs } = this.options
    // our own requests may come and go while the answer is under way: the larger count is the safer one to take off
    const before = new Map(registry.at(url).map(worker => [worker, worker.inFlight]))
    try {
      const loads = await client.loads(url)
      for (const [worker, inFlight] of before) {
        const reported = worker.rankHeader === undefined ? sum(loads) : loads.get(worker.rankHeader) ?? 0
        worker.foreignLoad = Math.max(0, reported - Math.max(inFlight, worker.inFlight))
      }
    } catch {
      for (const worker of before.keys()) worker.foreignLoad = 0
    }
    return intervalMs
  }
}

function sum (loads: ReadonlyMap<string, number>): number {
  let total = 0
  for (const load of loads.values()) total += load
  return total
}
