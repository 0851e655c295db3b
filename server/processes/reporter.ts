// A child's half of the exchange, outgoing: gathers what its traffic tells of workers, and reports it to the primary.
import type { FastifyInstance } from 'fastify'
import type { Worker } from '../../core/worker.ts'
import type { Post } from './channel.ts'
import type { Counts, Report, Sessions } from './messages.ts'
import { Pace } from './pace.ts'
import { PrefixBatch } from './prefix-batch.ts'

/** Least time between two reports: what is in flight changes with every request, and a policy chooses well by what it knows this late. */
const reportMs = 50

/** Ids of responses that wait; they are sent at once, so that only a stuck primary lets them gather. */
const maxResponses = 1000

/** What the primary was told of a worker. */
interface Told {
  number: number
  inFlight: number
  processed: number
}

/** Watches the traffic of one process. */
export class Reporter {
  readonly prefixes = new PrefixBatch()
  private readonly router: FastifyInstance
  private readonly numberOf: (worker: Worker) => number | undefined
  private readonly post: Post<Report>
  private readonly pace = new Pace(reportMs, sent => this.report(sent))
  private readonly told = new WeakMap<Worker, Told>()
  /** Last counts of workers that are gone. */
  private last: number[] = []
  private responses: Array<[response: string, worker: string]> = []
  private readonly suspects = new Set<number>()
  private unknownModel = false

  constructor (router: FastifyInstance, numberOf: (worker: Worker) => number | undefined, post: Post<Report>) {
    this.router = router
    this.numberOf = numberOf
    this.post = post
    const { balancer, workers, calls } = router
    balancer.on('assigned', ({ worker }, routing) => {
      if (balancer.policyOf(worker.role).heard !== undefined) {
        const number = numberOf(worker)
        if (number !== undefined) this.prefixes.add(number, routing.prefix.hashes)
      }
      this.pace.wake()
    })
    balancer.on('finished', () => this.pace.wake())
    balancer.on('unknownModel', () => {
      this.unknownModel = true
      this.pace.wake()
    })
    // policies note their sessions from now on
    for (const role of balancer.roles) balancer.policyOf(role).takeSessions?.()
    balancer.on('policy', policy => policy.takeSessions?.())
    workers.on('suspect', worker => {
      const number = numberOf(worker)
      if (number === undefined) return
      this.suspects.add(number)
      this.pace.wake()
    })
    workers.on('removed', worker => {
      const number = numberOf(worker)
      if (number === undefined || !this.told.has(worker)) return
      this.last.push(number, 0, worker.processed)
      this.pace.wake()
    })
    // a client may ask for the response as soon as it has seen its id
    calls.on('responseId', (call, id) => {
      this.responses.push([id, call.assignment.worker.id])
      if (this.responses.length > maxResponses) this.responses.shift()
      if (this.responses.length === 1) setImmediate(() => this.pace.soon())
    })
  }

  /** Sessions that began or moved here, or are in use. */
  private sessions (): Sessions | undefined {
    const { balancer } = this.router
    const sessions = balancer.roles.flatMap(role => [...balancer.policyOf(role).takeSessions?.() ?? []])
    if (sessions.length === 0) return undefined
    return sessions.flatMap(({ session, model, worker }) => {
      const number = this.numberOf(worker)
      return number === undefined ? [] : [[session, model, number] as const]
    })
  }

  /** Tells now what there is to tell. */
  flush (): void {
    this.pace.now()
  }

  stop (): void {
    this.pace.stop()
  }

  private report (sent: () => void): void {
    const counts = this.counts()
    const prefixes = this.prefixes.take()
    const sessions = this.sessions()
    const { responses, unknownModel } = this
    const suspects = [...this.suspects]
    this.responses = []
    this.suspects.clear()
    this.unknownModel = false
    if (counts === undefined && prefixes === undefined && sessions === undefined && responses.length + suspects.length === 0 && !unknownModel) {
      sent()
      return
    }
    this.post({
      type: 'report',
      counts,
      prefixes,
      responses: responses.length === 0 ? undefined : responses,
      sessions,
      suspects: suspects.length === 0 ? undefined : suspects,
      unknownModel
    }, sent)
  }

  /** Workers whose counts changed since the last report: looked for here, so that a request costs nothing. */
  private counts (): Counts | undefined {
    const changed = this.last
    this.last = []
    for (const worker of this.router.workers.list()) {
      const number = this.numberOf(worker)
      if (number === undefined) continue
      const inFlight = worker.inFlight - worker.elsewhere
      const { processed } = worker
      const told = this.told.get(worker)
      if (told === undefined) {
        if (processed === 0) continue
        this.told.set(worker, { number, inFlight, processed })
      } else {
        if (told.number === number && told.inFlight === inFlight && told.processed === processed) continue
        told.number = number
        told.inFlight = inFlight
        told.processed = processed
      }
      changed.push(number, inFlight, processed)
    }
    return changed.length === 0 ? undefined : Float64Array.from(changed)
  }
}
