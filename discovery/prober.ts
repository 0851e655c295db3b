// Active health checks: asks every server for a sign of life and for its models, and moves its workers between states.
import { inBatches } from '../core/batches.ts'
import type { Clock } from '../core/clock.ts'
import { failureKind, isUnreachable } from '../core/failure.ts'
import type { WorkerRegistry } from '../core/registry.ts'
import type { Worker, WorkerState } from '../core/worker.ts'
import { Rounds } from './rounds.ts'
import type { WorkerClient } from './worker-client.ts'

/** Thresholds and times of health checks; times in milliseconds. */
export interface ProberOptions {
  registry: WorkerRegistry
  client: Pick<WorkerClient, 'health' | 'models'>
  clock: Clock
  random: () => number
  /** Between two checks of a healthy server. */
  intervalMs: number
  /** Failures in a row that make a ready worker unhealthy. */
  failureThreshold: number
  /** Successes in a row that make an unhealthy worker ready. */
  successThreshold: number
  /** Longest pause between checks of a starting server; they begin at 200 ms and double. */
  startupIntervalMs: number
  /** A server that has not answered for so long since it came is reported unhealthy instead of starting. */
  startupTimeoutMs: number
}

/** A first check of a starting server; doubles with each. */
const firstPause = 200
/** After a check that contradicts a worker's state the next follows soon, so that thresholds cost seconds, not minutes. */
const confirmPause = 1000
/** After a good check of an unhealthy server: it serves again soon. */
const recoveryPause = 250
/** Pauses between checks of an unhealthy server: a twentieth of the time it has been down, within these bounds. */
const shortestUnhealthyPause = 500
const longestUnhealthyPause = 5000
const unhealthyShare = 1 / 20
/** At most one refresh of a server's models on demand in this time. */
const refreshPause = 5000
/** Servers asked for their models at the same time, where all are asked on demand. */
const refreshWidth = 64

interface Record {
  failures: number
  successes: number
  addedAt: number
  pause: number
  /** Live traffic met a refused or broken connection since the last check. */
  suspect: boolean
  modelsAt: number
  /** When it became unhealthy; meaningful while it is. */
  downAt: number
}

/** Keeps the states of the registry's workers true. */
export class Prober {
  private readonly options: ProberOptions
  private readonly records = new Map<string, Record>()
  private readonly rounds: Rounds
  /** No server may be asked for its models on demand before. */
  private refreshDue = -Infinity

  constructor (options: ProberOptions) {
    this.options = options
    this.rounds = new Rounds({ ...options, visit: url => this.check(url) })
  }

  start (): void {
    this.options.registry.on('suspect', this.onSuspect)
    this.options.registry.on('removed', this.onRemoved)
    this.options.registry.on('added', this.onAdded)
    this.options.registry.on('changed', this.onChanged)
    this.rounds.start()
  }

  stop (): void {
    this.options.registry.off('suspect', this.onSuspect)
    this.options.registry.off('removed', this.onRemoved)
    this.options.registry.off('added', this.onAdded)
    this.options.registry.off('changed', this.onChanged)
    this.rounds.stop()
    this.records.clear()
  }

  /** A request named a model that no worker is known to serve: asks the ready servers again, each at most once in 5 s. */
  refreshModels (): void {
    const now = this.options.clock.now()
    // clients may name unknown models in every request: most calls end here, however large the fleet
    if (now < this.refreshDue) return
    this.refreshDue = now + refreshPause
    const due: Array<[url: string, record: Record]> = []
    for (const [url, record] of this.records) {
      if (this.state(url) !== 'ready') continue
      if (now - record.modelsAt < refreshPause) {
        this.refreshDue = Math.min(this.refreshDue, record.modelsAt + refreshPause)
        continue
      }
      record.modelsAt = now
      due.push([url, record])
    }
    void inBatches(due, refreshWidth, ([url, record]) => this.learnModels(url, record))
  }

  private readonly onSuspect = (worker: Worker): void => {
    const record = this.records.get(worker.url)
    if (record === undefined) return
    record.suspect = true
    this.rounds.soon(worker.url)
  }

  /** A rank that joins a server known to be ready need not wait for the next check of it. */
  private readonly onAdded = (worker: Worker): void => {
    if (this.state(worker.url) === 'ready') this.rounds.soon(worker.url)
  }

  /** A worker that is stated again while it leaves starts anew, and serves as soon as it answers. */
  private readonly onChanged = (worker: Worker, from: WorkerState): void => {
    const record = this.records.get(worker.url)
    if (from !== 'draining' || record === undefined) return
    record.addedAt = this.options.clock.now()
    this.rounds.soon(worker.url)
  }

  private readonly onRemoved = (worker: Worker): void => {
    if (this.options.registry.at(worker.url).length === 0) this.records.delete(worker.url)
  }

  /** The state of a server: it is ready while one of its ranks is, and starts only while all do. */
  private state (url: string): WorkerState | undefined {
    const states = this.options.registry.at(url).map(worker => worker.state)
    return (['ready', 'unhealthy', 'starting'] as const).find(state => states.includes(state))
  }

  private async check (url: string): Promise<number> {
    const { clock, client } = this.options
    let record = this.records.get(url)
    if (record === undefined) {
      record = { failures: 0, successes: 0, addedAt: clock.now(), pause: firstPause, suspect: false, modelsAt: -Infinity, downAt: 0 }
      this.records.set(url, record)
    }
    const suspect = record.suspect
    record.suspect = false
    record.modelsAt = clock.now()
    const models = this.learnModels(url, record)
    let failure: { error: unknown } | undefined
    await client.health(url).catch((error: unknown) => { failure = { error } })
    // a worker that becomes ready should be known with its models from its first request on; any other verdict is told at once
    if (failure === undefined && this.state(url) === 'starting') await models
    // the server left meanwhile: what was learned says nothing about one that came to its place
    if (this.records.get(url) !== record) return this.options.intervalMs
    return failure === undefined ? this.succeeded(url, record) : this.failed(url, record, failure.error, suspect)
  }

  private async learnModels (url: string, record: Record): Promise<void> {
    try {
      const models = await this.options.client.models(url)
      if (this.records.get(url) !== record) return
      for (const worker of this.options.registry.at(url)) this.options.registry.setModels(worker, models)
    } catch {
      // a worker may serve requests without telling its models; what it told before stays
    }
  }

  private succeeded (url: string, record: Record): number {
    record.failures = 0
    record.successes++
    const enough = record.successes >= this.options.successThreshold
    let confirm = false
    for (const worker of this.options.registry.at(url)) {
      if (worker.state === 'starting' || (worker.state === 'unhealthy' && enough)) this.options.registry.setState(worker, 'ready', 'answers')
      else if (worker.state === 'unhealthy') confirm = true
    }
    record.pause = firstPause
    return confirm ? Math.min(this.options.intervalMs, recoveryPause) : this.options.intervalMs
  }

  private failed (url: string, record: Record, error: unknown, suspect: boolean): number {
    record.successes = 0
    record.failures++
    const state = this.state(url)
    const reason = describe(error)
    if (state === 'starting') {
      const late = this.options.clock.now() - record.addedAt >= this.options.startupTimeoutMs
      this.move(url, late ? 'unhealthy' : 'starting', reason)
      const pause = record.pause
      record.pause = Math.min(pause * 2, this.options.startupIntervalMs)
      return pause
    }
    // nothing listens, and traffic has just met the same: no need to ask twice more
    const dead = suspect && isUnreachable(error)
    if (dead || record.failures >= this.options.failureThreshold || state === 'unhealthy') {
      const now = this.options.clock.now()
      if (state !== 'unhealthy') record.downAt = now
      this.move(url, 'unhealthy', reason)
      const pause = Math.min(Math.max((now - record.downAt) * unhealthyShare, shortestUnhealthyPause), longestUnhealthyPause)
      return Math.min(this.options.intervalMs, pause)
    }
    return Math.min(this.options.intervalMs, confirmPause)
  }

  private move (url: string, state: 'starting' | 'unhealthy', reason: string): void {
    for (const worker of this.options.registry.at(url)) {
      if (worker.state !== 'draining') this.options.registry.setState(worker, state, reason)
    }
  }
}

function describe (error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return 'health check timed out'
  if (error instanceof Error && / answered /.test(error.message)) return error.message
  return { refused: 'connection refused', timeout: 'health check timed out', reset: 'connection reset', protocol: 'does not speak HTTP' }[failureKind(error)]
}
