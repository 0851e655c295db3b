// The primary's half of the exchange: knows the fleet, adds up what children have in flight, and tells each child of the others.
import type { FastifyInstance } from 'fastify'
import type { Worker } from '../../core/worker.ts'
import type { Post } from './channel.ts'
import type { Counts, News, Report, SourceView, WorkerView } from './messages.ts'
import { Outbox } from './outbox.ts'

/** Milliseconds between two looks for what changes without a word: loads that workers report, reasons, the health of sources. */
const sweepMs = 1000

/** Requests on one worker. */
interface Load {
  inFlight: number
  processed: number
}

/** What is known of one child. */
interface Member {
  readonly outbox: Outbox<Worker>
  /** What it has and had, by the worker's number. */
  readonly loads: Map<number, Load>
}

/** The fleet as all processes know it. */
export class Hub {
  private readonly router: FastifyInstance
  private readonly members = new Map<object, Member>()
  private readonly numbers = new Map<Worker, number>()
  private readonly byNumber = new Map<number, Worker>()
  /** What all children have and had together, those that ended included. */
  private readonly totals = new Map<number, Load>()
  private readonly stated = new Map<string, string>()
  private readonly swept = new WeakMap<Worker, { load: number, reason: string }>()
  private health = ''
  private droppedBefore = 0
  private lastNumber = 0
  private readonly timer: NodeJS.Timeout

  /** @param router the primary's, whose sources have not begun */
  constructor (router: FastifyInstance) {
    this.router = router
    const { workers } = router
    workers.on('added', worker => {
      this.numbers.set(worker, ++this.lastNumber)
      this.byNumber.set(this.lastNumber, worker)
    })
    workers.on('removed', worker => {
      const number = this.numbers.get(worker)
      this.numbers.delete(worker)
      if (number === undefined) return
      this.byNumber.delete(number)
      this.totals.delete(number)
      for (const { loads } of this.members.values()) loads.delete(number)
    })
    workers.on('changed', worker => this.each(outbox => outbox.worker(worker)))
    workers.on('models', worker => this.each(outbox => outbox.worker(worker)))
    workers.on('stated', source => this.state(source))
    this.timer = setInterval(() => this.sweep(), sweepMs)
    this.timer.unref()
  }

  /** Conversations that were not told to somebody who should know them. */
  get dropped (): number {
    let dropped = this.droppedBefore
    for (const { outbox } of this.members.values()) dropped += outbox.dropped
    return dropped
  }

  /** A child begins: it hears what there is to know, and of everything from now on. */
  join (child: object, post: Post<News>): void {
    const loads = new Map<number, Load>()
    const outbox = new Outbox<Worker>({
      specs: source => this.router.workers.specs(source),
      view: worker => this.view(worker),
      sources: () => this.sources(),
      others: numbers => this.others(loads, numbers)
    }, post)
    this.members.set(child, { outbox, loads })
    post({
      type: 'news',
      lists: [...this.stated.keys()].map(source => [source, this.router.workers.specs(source)]),
      workers: this.router.workers.list().map(worker => this.view(worker)),
      sources: this.sources(),
      counts: this.others(loads, this.totals.keys())
    })
  }

  /** A child has ended: nothing of it is in flight any more. */
  leave (child: object): void {
    const member = this.members.get(child)
    if (member === undefined) return
    this.members.delete(child)
    member.outbox.stop()
    this.droppedBefore += member.outbox.dropped
    for (const [number, { inFlight }] of member.loads) if (inFlight > 0) this.add(number, -inFlight, 0)
  }

  /** A child told something. */
  hear (child: object, report: Report): void {
    const member = this.members.get(child)
    if (member === undefined) return
    const { counts, prefixes, responses, sessions } = report
    if (counts !== undefined) this.count(member, counts)
    for (const [other, { outbox }] of this.members) {
      if (other === child) continue
      if (prefixes !== undefined) outbox.prefix(prefixes)
      if (responses !== undefined) outbox.response(responses)
      if (sessions !== undefined) outbox.session(sessions)
    }
    for (const number of report.suspects ?? []) {
      const worker = this.byNumber.get(number)
      if (worker !== undefined) this.router.workers.suspect(worker)
    }
    if (report.unknownModel === true) this.router.prober.refreshModels()
  }

  /** Tells every child now what it has not been told. */
  flush (): void {
    this.each(outbox => outbox.flush())
  }

  stop (): void {
    clearInterval(this.timer)
    this.each(outbox => outbox.stop())
  }

  /** The sources of workers, and how they are. */
  sources (): SourceView[] {
    return this.router.discovery.map(source => ({ name: source.name, health: source.health() }))
  }

  private each (tell: (outbox: Outbox<Worker>) => void): void {
    for (const { outbox } of this.members.values()) tell(outbox)
  }

  private view (worker: Worker): WorkerView {
    const { id, state, reason, models, foreignLoad } = worker
    return { number: this.numbers.get(worker) ?? 0, id, state, reason, models, foreignLoad }
  }

  private state (source: string): void {
    const { workers } = this.router
    const text = JSON.stringify(workers.specs(source))
    if (this.stated.get(source) === text) return
    this.stated.set(source, text)
    this.each(outbox => {
      outbox.list(source)
      // a child may make a worker anew that it has let go a moment ago, and must learn its state again
      for (const worker of workers.list()) outbox.worker(worker)
    })
  }

  private sweep (): void {
    for (const worker of this.router.workers.list()) {
      const { foreignLoad: load, reason } = worker
      const seen = this.swept.get(worker)
      if (seen?.load === load && seen.reason === reason) continue
      this.swept.set(worker, { load, reason })
      this.each(outbox => outbox.worker(worker))
    }
    const health = JSON.stringify(this.sources())
    if (health === this.health) return
    this.health = health
    this.each(outbox => outbox.health())
  }

  private count ({ loads, outbox }: Member, counts: Counts): void {
    for (let i = 0; i + 2 < counts.length; i += 3) {
      const [number = 0, inFlight = 0, processed = 0] = counts.subarray(i, i + 3)
      if (!this.byNumber.has(number)) continue
      const before = loads.get(number) ?? { inFlight: 0, processed: 0 }
      loads.set(number, { inFlight, processed })
      this.add(number, inFlight - before.inFlight, processed - before.processed, outbox)
    }
  }

  private add (number: number, inFlight: number, processed: number, teller?: Outbox<Worker>): void {
    const worker = this.byNumber.get(number)
    if (worker === undefined) return
    let total = this.totals.get(number)
    if (total === undefined) this.totals.set(number, total = { inFlight: 0, processed: 0 })
    total.inFlight += inFlight
    total.processed += processed
    this.each(outbox => { if (outbox !== teller) outbox.count(number) })
    // a worker that is leaving may be gone with this
    this.router.workers.setElsewhere(worker, total.inFlight, total.processed)
  }

  private others (loads: ReadonlyMap<number, Load>, numbers: Iterable<number>): Counts {
    const counts: number[] = []
    for (const number of numbers) {
      const total = this.totals.get(number)
      const own = loads.get(number)
      if (total !== undefined) counts.push(number, total.inFlight - (own?.inFlight ?? 0), total.processed - (own?.processed ?? 0))
    }
    return Float64Array.from(counts)
  }
}
