// A child's half of the exchange, incoming: keeps its fleet as the primary says, and learns what the other processes do.
import type { FastifyInstance } from 'fastify'
import type { Worker } from '../../core/worker.ts'
import type { DiscoverySource, SourceHealth } from '../../discovery/discovery.ts'
import { Learner } from './learner.ts'
import type { Counts, News, SourceView, WorkerView } from './messages.ts'

/** A source that another process runs. */
class FollowedSource implements DiscoverySource {
  readonly name: string
  seen: SourceHealth

  constructor ({ name, health }: SourceView) {
    this.name = name
    this.seen = health
  }

  async start (): Promise<void> {}

  async stop (): Promise<void> {}

  health (): SourceHealth {
    return this.seen
  }
}

/** What this process knows from the primary. */
export class Follower {
  /** Sources by name, for those who show them. */
  readonly sources: readonly FollowedSource[]
  private readonly byNumber = new Map<number, Worker>()
  private readonly numbers = new WeakMap<Worker, number>()
  private router: FastifyInstance | undefined
  private learner: Learner | undefined

  constructor (sources: readonly SourceView[]) {
    this.sources = sources.map(source => new FollowedSource(source))
  }

  /** Begins to keep a router's fleet. */
  follow (router: FastifyInstance): void {
    this.router = router
    this.learner = new Learner(router, number => this.byNumber.get(number))
    router.workers.on('removed', worker => {
      const number = this.numbers.get(worker)
      if (number !== undefined && this.byNumber.get(number) === worker) this.byNumber.delete(number)
    })
  }

  /** By what number the primary knows a worker, or knew it. */
  numberOf (worker: Worker): number | undefined {
    return this.numbers.get(worker)
  }

  /** Conversations that came too fast to be taken in. */
  get dropped (): number {
    return this.learner?.dropped ?? 0
  }

  /** Resolves when all that was heard so far holds. */
  async settled (): Promise<void> {
    await this.learner?.settled()
  }

  hear (news: News): void {
    const { router } = this
    if (router === undefined) return
    for (const [source, specs] of news.lists ?? []) router.workers.apply(source, specs)
    for (const view of news.workers ?? []) this.see(router, view)
    for (const { name, health } of news.sources ?? []) {
      const source = this.sources.find(source => source.name === name)
      if (source !== undefined) source.seen = health
    }
    if (news.counts !== undefined) this.count(router, news.counts)
    if (news.prefixes !== undefined) this.learner?.learn(news.prefixes)
    for (const [response, worker] of news.responses ?? []) router.responseAffinity.set(response, worker)
    for (const [session, model, number] of news.sessions ?? []) {
      const worker = this.byNumber.get(number)
      if (worker !== undefined) router.balancer.policyOf(worker.role).sessionHeard?.({ session, model, worker })
    }
  }

  private see ({ workers }: FastifyInstance, { number, id, state, reason, models, foreignLoad }: WorkerView): void {
    const worker = workers.get(id)
    if (worker === undefined) return
    const before = this.numbers.get(worker)
    if (before !== undefined && before !== number) this.byNumber.delete(before)
    this.numbers.set(worker, number)
    this.byNumber.set(number, worker)
    // a worker that becomes ready should be known with its models from its first request on
    if (models !== undefined && models !== worker.models) workers.setModels(worker, models)
    worker.foreignLoad = foreignLoad
    if (state === 'starting' || state === 'ready' || state === 'unhealthy') workers.setState(worker, state, reason)
  }

  private count ({ workers }: FastifyInstance, counts: Counts): void {
    for (let i = 0; i + 2 < counts.length; i += 3) {
      const worker = this.byNumber.get(counts[i] ?? 0)
      if (worker !== undefined) workers.setElsewhere(worker, counts[i + 1] ?? 0, counts[i + 2] ?? 0)
    }
  }
}
