// Learns how large workers' KV caches are, from their own metrics, when they become ready: for policies that follow what caches hold.
import type { WorkerRegistry } from '../core/registry.ts'
import type { Worker, WorkerState } from '../core/worker.ts'
import type { WorkerClient } from './worker-client.ts'

/** Whom to ask. */
export interface KvCapacityOptions {
  registry: WorkerRegistry
  client: Pick<WorkerClient, 'kvTokens'>
}

/** Keeps `worker.kvTokens`. Asks a server once when it starts and once when it comes back; one that does not tell leaves it undefined. */
export class KvCapacity {
  private readonly options: KvCapacityOptions
  /** Servers being asked: their ranks become ready together. */
  private readonly asked = new Set<string>()
  private watching = false

  constructor (options: KvCapacityOptions) {
    this.options = options
  }

  start (): void {
    if (this.watching) return
    this.watching = true
    const { registry } = this.options
    registry.on('changed', this.onChanged)
    for (const worker of registry.list()) if (worker.state === 'ready' && worker.kvTokens === undefined) this.ask(worker.url)
  }

  stop (): void {
    if (!this.watching) return
    this.watching = false
    this.options.registry.off('changed', this.onChanged)
  }

  private readonly onChanged = (worker: Worker, _from: WorkerState): void => {
    if (worker.state === 'ready') this.ask(worker.url)
  }

  private ask (url: string): void {
    if (this.asked.has(url)) return
    this.asked.add(url)
    void this.look(url).finally(() => this.asked.delete(url))
  }

  private async look (url: string): Promise<void> {
    const { registry, client } = this.options
    try {
      const tokens = await client.kvTokens(url)
      for (const worker of registry.at(url)) worker.kvTokens = tokens.get(worker.rankHeader ?? '0')
    } catch {
      // what is not told is bounded by an option
    }
  }
}
