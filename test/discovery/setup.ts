// Servers that answer the router's own questions as a test wants, and the probers and scrapers that ask them.
import type { Test } from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'
import type { ModelCard, Worker, WorkerState } from '../../core/worker.ts'
import { Prober } from '../../discovery/prober.ts'
import type { ProberOptions } from '../../discovery/prober.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

/** How a server answers: properly, with nobody listening, with 503, or not before `release` is called. */
export type Mood = 'fine' | 'refused' | 'ill' | 'hanging'

/** Stands for all servers of a fleet, and keeps account of who was asked when. */
export class FakeClient {
  readonly asked: Array<{ url: string, at: number }> = []
  readonly askedForModels: Array<{ url: string, at: number }> = []
  readonly moods = new Map<string, Mood>()
  served: string[] = ['base']
  running = 0
  mostRunning = 0
  private readonly runningAt = new Map<string, number>()
  mostRunningAtOne = 0
  private readonly held = new Map<string, Array<(mood: Mood) => void>>()
  private readonly clock: ManualClock

  constructor (clock: ManualClock) {
    this.clock = clock
  }

  async health (url: string): Promise<void> {
    this.asked.push({ url, at: this.clock.now() })
    this.mostRunning = Math.max(this.mostRunning, ++this.running)
    const here = (this.runningAt.get(url) ?? 0) + 1
    this.runningAt.set(url, here)
    this.mostRunningAtOne = Math.max(this.mostRunningAtOne, here)
    try {
      let mood = this.moods.get(url) ?? 'fine'
      if (mood === 'hanging') {
        mood = await new Promise<Mood>(resolve => this.held.set(url, [...this.held.get(url) ?? [], resolve]))
      }
      if (mood === 'refused') throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
      if (mood !== 'fine') throw new Error('/health answered 503')
    } finally {
      this.running--
      this.runningAt.set(url, (this.runningAt.get(url) ?? 1) - 1)
    }
  }

  async models (url: string): Promise<Map<string, ModelCard>> {
    this.askedForModels.push({ url, at: this.clock.now() })
    const mood = this.moods.get(url) ?? 'fine'
    if (mood !== 'fine' && mood !== 'hanging') throw new Error(mood)
    return new Map(this.served.map(id => [id, { id }]))
  }

  /** Lets the questions that hang at a server end. */
  release (url: string, mood: Mood): void {
    const held = this.held.get(url) ?? []
    this.held.delete(url)
    for (const resolve of held) resolve(mood)
  }

  /** When a server was asked for a sign of life. */
  times (url: string): number[] {
    return this.asked.filter(question => question.url === url).map(question => question.at)
  }
}

export interface Probed {
  readonly clock: ManualClock
  readonly registry: WorkerRegistry
  readonly client: FakeClient
  readonly prober: Prober
  /** Every change of state, as `from>to`. */
  readonly changes: string[]
  /** The one worker of a fleet of one. */
  only (): Worker
  state (): WorkerState
}

export const url = 'http://w1'

/** A prober that was not started yet, with no jitter, before a fleet of `urls`. */
export function probed (t: Test, options: Partial<ProberOptions> = {}, urls: readonly string[] = [url]): Probed {
  const clock = new ManualClock()
  const registry = new WorkerRegistry()
  const client = new FakeClient(clock)
  const changes: string[] = []
  registry.on('changed', (worker, from) => { changes.push(`${from}>${worker.state}`) })
  registry.apply('test', urls.map(url => ({ url })))
  const prober = new Prober({
    registry, client, clock, random: () => 0.5, intervalMs: 60_000, failureThreshold: 3, successThreshold: 2, startupIntervalMs: 3000, startupTimeoutMs: 10_000, ...options
  })
  t.teardown(() => prober.stop())
  function only (): Worker {
    const [worker] = registry.list()
    if (worker === undefined) throw new Error('no worker')
    return worker
  }
  return { clock, registry, client, prober, changes, only, state: () => only().state }
}
