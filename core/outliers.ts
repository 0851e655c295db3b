// Finds workers that are far slower, or fail far more, than their peers; they lose their traffic step by step, and get it back.
import type { Clock } from './clock.ts'
import type { Outcome } from './outcome.ts'
import type { Worker } from './worker.ts'

/** Settings of outlier detection. */
export interface OutlierOptions {
  /** Largest part of the workers that are peers that may be outliers at the same time, 0 to 100; at least one of three, unless 0. */
  maxPercent: number
}

/** Milliseconds between two judgements: an outlier is at the floor, six steps down, after one and a half seconds. */
export const tickMs = 250
/** Weight each judgement takes from an outlier, and gives back to one that does well again. */
const loss = 0.5
const gain = 1.25
/** Smallest weight. In a fleet of eight, one request in 400 goes to an outlier, to see whether it still is one. */
export const floor = 0.02
/** A worker this many times slower than its peers is an outlier … */
const slower = Math.log(3)
/** … unless times differ so much anyhow that it may be chance: so many standard errors … */
const errors = 4.5
/** … or the difference is too small to be felt, in milliseconds. */
const felt = 20
/** A worker whose share of failures is this much above its peers' is an outlier: two failures in a row. */
const failing = 0.35
/** An outlier must come this near to the limits, as a part of them, to be well again. */
const relief = 0.6
/** Calls of a worker before its times are compared, and workers with that many before there is something to compare with. */
const minCalls = 5
const minPeers = 3
/** Milliseconds after which times of a peer say nothing about the present any more. */
const fresh = 30_000
/** Milliseconds without any call after which an outlier's weight is doubled: where traffic is thin, its share alone would never bring a trial. */
const forgotten = 60_000
/** Requests without a first byte, all begun after the last one that got it, that tell of a worker that hangs. */
const stuck = 3

/** A mean that follows: recent values count most, and all the more after a pause. */
class Trend {
  count = 0
  mean = 0
  variance = 0
  at: number
  private chance = 0
  private readonly least: number
  private readonly memoryMs: number
  private readonly warm: boolean

  /**
   * @param least weight of a new value, at least
   * @param warm the mean before the first value is 0; else it is the first value
   */
  constructor (least: number, memoryMs: number, warm: boolean, now: number) {
    this.least = least
    this.memoryMs = memoryMs
    this.warm = warm
    this.at = now
  }

  /** @param most weight of a value after a long pause */
  add (value: number, now: number, most = 0.5): void {
    this.count++
    const paused = Math.min(most, 1 - Math.exp((this.at - now) / this.memoryMs))
    const share = Math.max(this.least, paused, this.warm ? 0 : 1 / this.count)
    const difference = value - this.mean
    this.mean += share * difference
    this.chance = (1 - share) ** 2 * this.chance + share ** 2
    this.variance = (1 - share) * (this.variance + share * difference * difference)
    this.at = now
  }

  /** Standard error of the mean, where values spread by 1. */
  get error (): number {
    return Math.sqrt(this.chance)
  }
}

const kinds = ['streamed', 'whole'] as const
/** What the first byte of an answer means: of a stream the first token, else the end of all work. */
export type AnswerKind = typeof kinds[number]

/** What is known of one worker. */
interface Account {
  readonly worker: Worker
  /** Natural logarithms of milliseconds to the first byte. */
  readonly times: Record<AnswerKind, Trend>
  readonly failures: Trend
  /** When requests for streams began that wait for their first byte, and began after the last one that got it. */
  readonly waiting: Map<object, number>
  peers: Peers
  /** Requests since the last judgement, and their running mean. */
  taken: number
  pace: number
  /** Requests an outlier may have now. */
  credit: number
  shut: boolean
  badness: number
  /** When it last answered anything, or was last given another chance for want of traffic. */
  heardAt: number
}

/** Workers that can be compared: same role, same model. */
interface Peers {
  readonly accounts: Account[]
  failures: number
}

function median (values: number[]): number | undefined {
  values.sort((one, two) => one - two)
  return values[(values.length - 1) >> 1]
}

/**
 * Judges every `tickMs`, by medians over peers; each request costs a few additions. The times compared are those of answers that
 * succeeded, as logarithms, so that one long prompt weighs little; requests that wait for longer than an outlier would take
 * count before they are answered. What an outlier gets is counted in requests, not left to a policy, to which an idle worker
 * looks the best of all.
 */
export class Outliers {
  private readonly clock: Clock
  private readonly options: () => OutlierOptions
  private readonly gate: (worker: Worker, open: boolean) => void
  private readonly accounts = new Map<Worker, Account>()
  private groups = new Map<string, Peers>()
  private stale = false
  private traffic = false

  /** @param gate told when a worker has had its share for now, and when it may have more */
  constructor (clock: Clock, options: () => OutlierOptions, gate: (worker: Worker, open: boolean) => void) {
    this.clock = clock
    this.options = options
    this.gate = gate
  }

  /** A worker came. */
  add (worker: Worker): void {
    const now = this.clock.now()
    this.accounts.set(worker, {
      worker,
      times: { streamed: new Trend(0.1, 3000, false, now), whole: new Trend(0.1, 3000, false, now) },
      failures: new Trend(0.2, 5000, true, now),
      waiting: new Map(),
      peers: { accounts: [], failures: 0 },
      taken: 0,
      pace: 0,
      credit: 0,
      shut: false,
      badness: 0,
      heardAt: now
    })
    this.stale = true
  }

  /** A worker is gone. */
  remove (worker: Worker): void {
    this.accounts.delete(worker)
    this.stale = true
  }

  /** What is known of a worker is void: it starts again like a new one. */
  forgive (worker: Worker): void {
    const account = this.accounts.get(worker)
    if (account === undefined) return
    const { pace } = account
    this.weigh(account, 1)
    this.add(worker)
    const again = this.accounts.get(worker)
    if (again !== undefined) again.pace = pace
  }

  /** All workers get all their traffic, and are judged anew. */
  reset (): void {
    for (const worker of [...this.accounts.keys()]) this.forgive(worker)
  }

  /** A request goes to a worker. */
  assigned (worker: Worker): void {
    const account = this.accounts.get(worker)
    if (account === undefined) return
    this.traffic = true
    account.taken++
    if (worker.weight < 1) {
      account.credit = Math.max(account.credit - 1, 0)
      this.swing(account)
    }
  }

  /** The request, a stream, waits for its first byte. `key` is the same in `answered` and `ended`. */
  waits (worker: Worker, key: object): void {
    this.accounts.get(worker)?.waiting.set(key, this.clock.now())
  }

  /** The first byte of an answer came. */
  answered (worker: Worker, key: object): void {
    const account = this.accounts.get(worker)
    if (account?.waiting.has(key) !== true) return
    // those that began before it are slow each for itself: the worker answers
    for (const other of account.waiting.keys()) {
      account.waiting.delete(other)
      if (other === key) return
    }
  }

  /** A call is over. */
  ended (worker: Worker, key: object, outcome: Outcome): void {
    const account = this.accounts.get(worker)
    if (account === undefined) return
    account.waiting.delete(key)
    if (outcome === 'neither') return
    const now = this.clock.now()
    account.heardAt = now
    // one failure alone is none too many, however long the pause before it
    if (outcome === 'failure') account.failures.add(1, now, 0.3)
    else account.failures.add(0, now)
    if (outcome === 'failure') this.failed(account)
  }

  /** The first byte of a good answer came after so long. */
  time (worker: Worker, kind: AnswerKind, milliseconds: number): void {
    const account = this.accounts.get(worker)
    if (account === undefined) return
    const now = this.clock.now()
    account.heardAt = now
    account.times[kind].add(Math.log(Math.max(milliseconds, 0.1)), now)
  }

  /** Judges all workers. False when nothing is going on and nobody is an outlier: then there is nothing to judge until the next request. */
  tick (): boolean {
    const now = this.clock.now()
    let busy = this.traffic
    this.traffic = false
    this.regroup()
    for (const peers of this.groups.values()) {
      this.judge(peers, now)
      this.share(peers)
    }
    for (const { worker, waiting } of this.accounts.values()) busy ||= worker.weight < 1 || waiting.size > 0
    return busy
  }

  private regroup (): void {
    this.stale = false
    this.groups = new Map()
    for (const account of this.accounts.values()) {
      const { worker } = account
      // the base model comes first, its adapters after it
      const key = worker.role + ' ' + (worker.models?.keys().next().value ?? '')
      let peers = this.groups.get(key)
      if (peers === undefined) this.groups.set(key, peers = { accounts: [], failures: account.peers.failures })
      peers.accounts.push(account)
      account.peers = peers
    }
  }

  private judge (peers: Peers, now: number): void {
    const { accounts } = peers
    const ready = accounts.filter(({ worker }) => worker.state === 'ready')
    peers.failures = median(ready.map(({ failures }) => failures.mean)) ?? 0
    for (const account of accounts) {
      account.badness = ready.length < minPeers ? 0 : (account.failures.mean - peers.failures) / failing
      if (now - account.heardAt < forgotten || account.worker.weight === 1) continue
      account.heardAt = now
      this.weigh(account, Math.min(1, 2 * account.worker.weight))
    }
    for (const kind of kinds) this.compare(ready, kind, now)

    const worst = accounts
      .filter(({ worker, badness }) => worker.weight < 1 || badness > 1)
      .sort((one, two) => two.badness - one.badness)
    const most = this.limit(ready.length)
    worst.forEach((account, at) => {
      const { worker: { weight }, badness } = account
      if (at >= most) this.weigh(account, 1)
      else if (badness > (weight < 1 ? relief : 1)) this.weigh(account, Math.max(floor, weight * loss))
      else this.weigh(account, Math.min(1, weight * gain))
    })
  }

  /** How much later than that of its peers a worker's first byte comes. */
  private compare (ready: readonly Account[], kind: AnswerKind, now: number): void {
    const known = ready.filter(({ times }) => times[kind].count >= minCalls && now - times[kind].at < fresh)
    const usual = median(known.map(({ times }) => times[kind].mean))
    const variance = median(known.map(({ times }) => times[kind].variance))
    if (known.length < minPeers || usual === undefined || variance === undefined) return
    const spread = Math.sqrt(variance)
    const badness = (time: number, error: number): number =>
      Math.exp(time) - Math.exp(usual) < felt ? 0 : (time - usual) / Math.max(slower, errors * spread * error)
    for (const account of ready) {
      const trend = account.times[kind]
      if (trend.count >= minCalls) account.badness = Math.max(account.badness, badness(trend.mean, trend.error))
      if (kind === 'streamed' && account.waiting.size >= stuck) {
        const [, , third = now] = account.waiting.values()
        account.badness = Math.max(account.badness, badness(Math.log(Math.max(now - third, 0.1)), 1 / Math.sqrt(stuck)))
      }
    }
  }

  /** Gives each outlier its share of what the others get, for the time until the next judgement. */
  private share ({ accounts }: Peers): void {
    let others = 0
    let pace = 0
    for (const account of accounts) {
      account.pace += 0.2 * (account.taken - account.pace)
      account.taken = 0
      if (account.worker.weight < 1 || !account.worker.available) continue
      others++
      pace += account.pace
    }
    for (const account of accounts) {
      const { worker: { weight } } = account
      if (weight === 1) continue
      const allowance = weight * pace / Math.max(others, 1)
      account.credit = Math.min(account.credit + allowance, Math.max(1, allowance))
      this.swing(account)
    }
  }

  /** A failure counts at once: a worker that fails instantly is idle, and would be the first choice until the next judgement. */
  private failed (account: Account): void {
    if (this.stale) this.regroup()
    const { worker, peers, failures } = account
    const ready = peers.accounts.filter(({ worker }) => worker.state === 'ready')
    if (ready.length < minPeers || failures.mean - peers.failures < failing) return
    if (worker.weight === 1 && peers.accounts.filter(({ worker }) => worker.weight < 1).length >= this.limit(ready.length)) return
    this.weigh(account, Math.max(floor, worker.weight * loss))
  }

  private limit (ready: number): number {
    const { maxPercent } = this.options()
    return ready < minPeers || maxPercent === 0 ? 0 : Math.max(1, Math.floor(ready * maxPercent / 100))
  }

  private weigh (account: Account, weight: number): void {
    const { worker } = account
    if (worker.weight === 1) account.credit = 0
    worker.weight = weight
    this.swing(account)
  }

  private swing (account: Account): void {
    const shut = account.worker.weight < 1 && account.credit < 1
    if (shut === account.shut) return
    account.shut = shut
    this.gate(account.worker, !shut)
  }
}
