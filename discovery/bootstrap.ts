// Knows the engines of Mooncake prefill workers: asks their bootstrap servers, again and again, and at once when one came back.
import type { Clock } from '../core/clock.ts'
import type { WorkerRegistry } from '../core/registry.ts'
import type { Worker, WorkerState } from '../core/worker.ts'
import { Rounds } from './rounds.ts'
import type { WorkerClient } from './worker-client.ts'

/** How bootstrap servers are asked. */
export interface BootstrapOptions {
  registry: WorkerRegistry
  client: Pick<WorkerClient, 'bootstrap'>
  clock: Clock
  random: () => number
  /** Base URL of a worker's bootstrap server; undefined for workers that have none. */
  addressOf: (worker: Worker) => string | undefined
}

/** A server that has answered is asked again after so long: a restart that nobody noticed makes another engine. */
const refreshPause = 30_000
/** After a failure; doubles up to the longest. */
const firstPause = 1000
const longestPause = 10_000

/** `engineOf` is a look-up; all asking goes on beside the requests. */
export class BootstrapDirectory {
  private readonly options: BootstrapOptions
  private readonly rounds: Rounds
  private readonly engines = new Map<string, ReadonlyMap<string, string>>()
  private readonly pauses = new Map<string, number>()

  constructor (options: BootstrapOptions) {
    this.options = options
    this.rounds = new Rounds({ ...options, visit: url => this.visit(url) })
  }

  start (): void {
    const { registry } = this.options
    registry.on('changed', this.onChanged)
    registry.on('suspect', this.onSuspect)
    registry.on('removed', this.onRemoved)
    this.rounds.start()
  }

  stop (): void {
    const { registry } = this.options
    registry.off('changed', this.onChanged)
    registry.off('suspect', this.onSuspect)
    registry.off('removed', this.onRemoved)
    this.rounds.stop()
    this.engines.clear()
    this.pauses.clear()
  }

  /** The engine behind a worker; undefined until its bootstrap server has told. */
  engineOf (worker: Worker): string | undefined {
    return this.engines.get(worker.url)?.get(worker.rankHeader ?? '0')
  }

  private readonly onChanged = (worker: Worker, from: WorkerState): void => {
    if (worker.state === 'unhealthy') this.engines.delete(worker.url)
    if (worker.state === 'ready' && from !== 'ready') this.soon(worker)
  }

  /** It may have restarted: what is known stays until it tells. */
  private readonly onSuspect = (worker: Worker): void => this.soon(worker)

  private readonly onRemoved = (worker: Worker): void => {
    if (this.options.registry.at(worker.url).length > 0) return
    this.engines.delete(worker.url)
    this.pauses.delete(worker.url)
  }

  private soon (worker: Worker): void {
    if (this.options.addressOf(worker) !== undefined) this.rounds.soon(worker.url)
  }

  private async visit (url: string): Promise<number> {
    const [worker] = this.options.registry.at(url)
    const address = worker && this.options.addressOf(worker)
    if (address === undefined) return refreshPause
    try {
      const engines = await this.options.client.bootstrap(address)
      if (this.options.registry.at(url).length > 0) this.engines.set(url, engines)
      this.pauses.delete(url)
      return refreshPause
    } catch {
      const pause = this.pauses.get(url) ?? firstPause
      if (this.options.registry.at(url).length > 0) this.pauses.set(url, Math.min(pause * 2, longestPause))
      return pause
    }
  }
}
