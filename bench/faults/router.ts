// The router under test: the real binary in a process of its own.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { end, spawnServer } from './processes.ts'
import { until } from './wait.ts'

/** What `/workers` tells of a worker, as far as it is looked at here. */
export interface WorkerState {
  readonly url: string
  readonly state: string
  readonly in_flight: number
}

/** Memory of a router, in bytes. */
export interface Memory {
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
}

/** A running router. */
export class RouterProcess {
  readonly child: ChildProcess
  /** The log so far. */
  log = ''
  url = ''
  metricsUrl = ''

  constructor (child: ChildProcess) {
    this.child = child
    const read = (chunk: Buffer): void => { this.log = (this.log + chunk.toString()).slice(-200_000) }
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
  }

  /** All workers as the router sees them. */
  async workers (): Promise<WorkerState[]> {
    const answer = await fetch(`${this.url}/workers`)
    return (await answer.json() as { workers: WorkerState[] }).workers
  }

  /** Waits until so many workers take requests. */
  async ready (workers: number): Promise<void> {
    await until(`${workers} ready workers`, async () => (await this.workers()).filter(({ state }) => state === 'ready').length === workers)
  }

  /** A counter of the router, summed over its labels. */
  async counter (name: string): Promise<number> {
    const text = await (await fetch(`${this.metricsUrl}`)).text()
    let sum = 0
    for (const line of text.split('\n')) {
      if (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) sum += Number(line.slice(line.lastIndexOf(' ') + 1))
    }
    return sum
  }

  /** Requests given to workers so far, every attempt counted. */
  async attempts (): Promise<number> {
    return await this.counter('vllm_router_processed_requests_total')
  }

  /** Memory now; after its garbage was collected when asked for and the process was started with `gc`. */
  async memory (collected = false): Promise<Memory> {
    const told = once(this.child, 'message') as Promise<[{ memory: Memory }]>
    this.child.send(collected ? 'collected' : 'memory')
    return (await told)[0].memory
  }

  /** Kills it. */
  async close (): Promise<void> {
    await end(this.child)
  }
}

/** Starts the router and waits until it listens. */
export async function startRouter (workerUrls: readonly string[], flags: readonly string[] = [], options: { port?: number, gc?: boolean } = {}): Promise<RouterProcess> {
  const workers = workerUrls.length > 0 ? ['--worker-urls', ...workerUrls] : []
  const router = new RouterProcess(spawnServer(
    ['--port', String(options.port ?? 0), '--prometheus-port', '0', '--log-level', 'info', ...workers, ...flags],
    options.gc === true ? ['--expose-gc'] : []
  ))
  const { child } = router
  router.url = await until('the router\'s address', () => {
    if (child.exitCode !== null) throw new Error(`the router ended:\n${router.log.slice(-2000)}`)
    return /metrics on http/.test(router.log) && /listening on (http:\/\/[^\s"\\]+)/.exec(router.log)?.[1]
  })
  router.metricsUrl = /metrics on (http:\/\/[^\s"\\]+)/.exec(router.log)?.[1] ?? ''
  return router
}
