// What one child has not been told yet. Facts are looked up when they are sent, so that a child that is slow hears the latest, and only that.
import type { WorkerSpec } from '../../core/worker.ts'
import type { Post } from './channel.ts'
import type { Counts, News, Prefixes, Sessions, SourceView, WorkerView } from './messages.ts'
import { Pace } from './pace.ts'
import { maxHashes } from './prefix-batch.ts'

/** Least time between two messages to a child. On top of the pause between two reports it is how late counts of others are. */
const newsMs = 20

/** Hashes, ids of responses, and sessions that wait for a child that is behind: several batches, or the oldest are dropped. */
const maxWaitingHashes = 4 * maxHashes
const maxWaitingResponses = 4000
const maxWaitingSessions = 40_000

/** Where facts are looked up. */
export interface Facts<Worker> {
  specs (source: string): WorkerSpec[]
  view (worker: Worker): WorkerView
  sources (): SourceView[]
  /** Of these workers, what all processes but the outbox's own have and had. */
  others (numbers: Iterable<number>): Counts
}

/** One child's. */
export class Outbox<Worker> {
  /** Conversations that were dropped. */
  dropped = 0
  private readonly facts: Facts<Worker>
  private readonly post: Post<News>
  private readonly pace = new Pace(newsMs, sent => this.send(sent))
  private readonly lists = new Set<string>()
  private readonly workers = new Set<Worker>()
  private sources = false
  private readonly counts = new Set<number>()
  private prefixes: Prefixes[] = []
  private hashes = 0
  private responses: Array<readonly [response: string, worker: string]> = []
  private sessions: Array<Sessions[number]> = []

  constructor (facts: Facts<Worker>, post: Post<News>) {
    this.facts = facts
    this.post = post
  }

  list (source: string): void {
    this.lists.add(source)
    this.pace.wake()
  }

  worker (worker: Worker): void {
    this.workers.add(worker)
    this.pace.wake()
  }

  health (): void {
    this.sources = true
    this.pace.wake()
  }

  count (number: number): void {
    this.counts.add(number)
    this.pace.wake()
  }

  prefix (prefixes: Prefixes): void {
    this.prefixes.push(prefixes)
    this.hashes += prefixes.hashes.length
    while (this.hashes > maxWaitingHashes) {
      const oldest = this.prefixes.shift()
      if (oldest === undefined) break
      this.hashes -= oldest.hashes.length
      this.dropped += oldest.workers.length
    }
    this.pace.wake()
  }

  /** A client may ask for a response as soon as it knows its id: this is not kept waiting. */
  response (responses: ReadonlyArray<readonly [response: string, worker: string]>): void {
    this.responses.push(...responses)
    if (this.responses.length > maxWaitingResponses) this.responses = this.responses.slice(-maxWaitingResponses)
    this.pace.soon()
  }

  session (sessions: Sessions): void {
    this.sessions = this.sessions.concat(sessions).slice(-maxWaitingSessions)
    this.pace.wake()
  }

  /** Sends now what there is. */
  flush (): void {
    this.pace.now()
  }

  stop (): void {
    this.pace.stop()
  }

  private send (sent: () => void): void {
    const { lists, workers, sources, counts, prefixes, responses, sessions } = this
    if (lists.size + workers.size + counts.size + prefixes.length + responses.length + sessions.length === 0 && !sources) {
      sent()
      return
    }
    const news: News = {
      type: 'news',
      lists: lists.size === 0 ? undefined : [...lists].map(source => [source, this.facts.specs(source)]),
      workers: workers.size === 0 ? undefined : [...workers].map(worker => this.facts.view(worker)),
      sources: sources ? this.facts.sources() : undefined,
      counts: counts.size === 0 ? undefined : this.facts.others(counts),
      prefixes: prefixes.length === 0 ? undefined : prefixes,
      responses: responses.length === 0 ? undefined : responses,
      sessions: sessions.length === 0 ? undefined : sessions
    }
    lists.clear()
    workers.clear()
    counts.clear()
    this.sources = false
    this.prefixes = []
    this.hashes = 0
    this.responses = []
    this.sessions = []
    this.post(news, sent)
  }
}
