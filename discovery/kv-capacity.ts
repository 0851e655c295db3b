// Learns how large workers' KV caches are, from their own metrics, when they become ready: for policies that follow what caches hold.
import type { WorkerRegistry } from '../core/registry.ts'
import type { Worker, WorkerState } from '../core/worker.ts'
import type { WorkerClient } from './worker-client.ts'

/** Servers asked at the same time: a whole fleet may become ready at once, and a page of metrics is long. */
const width = 16

/** Whom to ask. */
export interface KvCapacityOptions {
  registry: WorkerRegistry
  client: Pick<WorkerClient, 'kvTokens'>
}

/** Keeps `worker.kvTokens`. Asks a server once when it starts and once when it comes back; one that does not tell leaves it undefined. */
export class KvCapacity {
  private readonly options: KvCapacityOptions
  /** Servers that are asked, or will be: their ranks become ready together. */
  private readonly asked = new Set<string>()
  private readonly waiting: string[] = []
  private lanes = 0
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
    for (const url of this.waiting.splice(0)) this.asked.delete(url)
    this.options.registry.off('changed', this.onChanged)
  }

  private readonly onChanged = (worker: Worker, _from: WorkerState): void => {
    if (worker.state === 'ready') this.ask(worker.url)
  }

  private ask (url: string): void {
    if (this.asked.has(url)) return
    this.asked.add(url)
    this.waiting.push(url)
    if (this.lanes < width) void this.lane()
  }

  private async lane (): Promise<void> {
    this.lanes++
    for (let url = this.waiting.shift(); url !== undefined; url = this.waiting.shift()) {
      await this.look(url)
      this.asked.delete(url)
    }
    this.lanes--
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
