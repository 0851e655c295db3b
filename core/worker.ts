// One worker the router may send requests to: a vLLM server, or one data-parallel rank of it.
import { createHash } from 'node:crypto'
import type { Candidates } from './candidates.ts'

/** What a worker does for a request: all of it, only the prefill, or only the decode. */
export type Role = 'regular' | 'prefill' | 'decode'

/**
 * `starting` (not yet answered), `ready` (may be picked), `unhealthy` (does not answer), `draining` (leaving, finishes what
 * it has), `gone` (no longer known; nobody should hold it).
 */
export type WorkerState = 'starting' | 'ready' | 'unhealthy' | 'draining' | 'gone'

/**
 * Why a ready worker gets no request for now: its breaker is open (`breaker`), it asked for a pause with `Retry-After`
 * (`pause`), it has as many requests as it may have (`full`), or it is far worse than its peers and has had its small share of
 * requests (`outlier`; it is picked all the same where no other worker is left).
 */
export type HoldCause = 'breaker' | 'pause' | 'full' | 'outlier'

/** One entry of a worker's `/v1/models`, as it came. */
export type ModelCard = Readonly<Record<string, unknown>>

/** What a discovery source says about one vLLM server. */
export interface WorkerSpec {
  /** Base URL, `http` or `https`, without a trailing slash; may have a path, never credentials. */
  readonly url: string
  /** Default `regular`. */
  readonly role?: Role
  /** Number of data-parallel ranks behind the URL; each becomes a worker of its own. Default 1: the URL itself is the worker. */
  readonly ranks?: number
  /** One fixed rank behind the URL (`url@rank`); excludes `ranks`. */
  readonly rank?: number
  /** It is about to go: it gets no new request, finishes what it has, and is gone with the last. Default false. */
  readonly leaving?: boolean
  /** Model said by the source; holds until the worker's own `/v1/models` tells. */
  readonly model?: string
  /** Free annotations, shown in `/workers`, without meaning to the router. */
  readonly labels?: Readonly<Record<string, string>>
  /** Shown in `/workers` for clients of the reference; without meaning here. Default 50. */
  readonly priority?: number
  /** Shown in `/workers` for clients of the reference; without meaning here. Default 1. */
  readonly cost?: number
  /** Port of a prefill worker's bootstrap server (Mooncake). */
  readonly bootstrapPort?: number
  /** Where its KV connector listens, as `ip:port`, as it announced itself (P2pNccl, MoRI-IO). */
  readonly zmqAddress?: string
  /** The KV connector it announced itself with. */
  readonly connector?: 'p2p-nccl' | 'moriio'
  /** MoRI-IO: who moves the KV cache. `READ`: the decode worker fetches it; `WRITE`: the prefill worker sends it. */
  readonly transferMode?: 'READ' | 'WRITE'
  /** Tensor-parallel size, as it announced itself. */
  readonly tpSize?: number
  /** Data-parallel size, as it announced itself. */
  readonly dpSize?: number
}

/** One entry of the fleet. A class for the sake of one fixed shape on the hot path; only the registry and leases change it. */
export class Worker {
  /** `url`, or `url@rank` for a data-parallel rank. */
  readonly id: string
  /** A stable name that tells nothing of the address, for clients: `w-` and eight hex digits. */
  readonly alias: string
  readonly url: string
  readonly origin: string
  /** Path of the base URL, put before every request's path; empty for most workers. */
  readonly basePath: string
  readonly role: Role
  readonly rank: number | undefined
  /** The rank as header value, made once. */
  readonly rankHeader: string | undefined
  spec: WorkerSpec
  /** Names of the sources that state this worker, first one first. */
  sources: readonly string[] = []
  state: WorkerState = 'starting'
  /** Why the state is what it is, for people. */
  reason = 'not checked yet'
  /** Why it gets no request though it is ready, each with the time until when, on the registry's clock; Infinity = until released. */
  readonly holds = new Map<HoldCause, number>()
  /** Part of its fair share of requests that it gets: less than 1 while it is far worse than its peers. */
  weight = 1
  /** Models it serves (base models and adapters) by id, as its `/v1/models` shows them; undefined until it has told. */
  models: ReadonlyMap<string, ModelCard> | undefined
  /** Requests of this router that hold a lease on the worker, those of its other processes included as far as they have told. */
  inFlight = 0
  /** Of these, the other processes'. */
  elsewhere = 0
  /** Requests running or waiting there that are not this router's, as last seen in the worker's own metrics. */
  foreignLoad = 0
  /** Tokens whose keys and values fit into its KV cache, as its own metrics tell; undefined until somebody has looked. */
  kvTokens: number | undefined
  /** Requests ever leased here by this process, and by the others. */
  processed = 0
  processedElsewhere = 0
  private lists: Candidates[] = []

  constructor (spec: WorkerSpec, rank?: number) {
    const url = new URL(spec.url)
    this.spec = spec
    this.url = spec.url
    this.origin = url.origin
    this.basePath = url.pathname === '/' ? '' : url.pathname.replace(/\/$/, '')
    this.role = spec.role ?? 'regular'
    this.rank = rank
    this.rankHeader = rank === undefined ? undefined : String(rank)
    if (spec.model !== undefined) this.models = new Map([[spec.model, { id: spec.model, object: 'model' }]])
    this.id = rank === undefined ? spec.url : `${spec.url}@${rank}`
    this.alias = 'w-' + createHash('sha256').update(this.id).digest('hex').slice(0, 8)
  }

  /** May be picked now. */
  get available (): boolean {
    return this.state === 'ready' && this.holds.size === 0
  }

  /** May be picked where no worker is `available`: only its being worse than others speaks against it. */
  get spare (): boolean {
    return this.state === 'ready' && this.holds.size === 1 && this.holds.has('outlier')
  }

  /** Work there as far as the router can know: its own requests in flight, and others' as the worker reported them. */
  get load (): number {
    return this.inFlight + this.foreignLoad
  }

  /** Counts one more request in flight. Callers are leases. */
  acquire (): void {
    this.inFlight++
    this.processed++
    for (const list of this.lists) list.moved(this, this.inFlight - 1)
  }

  /** Counts one request less. Callers are leases. */
  release (): void {
    this.inFlight--
    for (const list of this.lists) list.moved(this, this.inFlight + 1)
  }

  /** Other processes of the router have so many requests here, and had so many. Callers are the registry. */
  share (inFlight: number, processed: number): void {
    this.processedElsewhere = processed
    // one step at a time, as lists expect it
    while (this.elsewhere !== inFlight) {
      const step = this.elsewhere < inFlight ? 1 : -1
      this.elsewhere += step
      this.inFlight += step
      for (const list of this.lists) list.moved(this, this.inFlight - step)
    }
  }

  /** A candidate list that wants to hear of this worker's in-flight changes. */
  join (list: Candidates): void {
    this.lists.push(list)
  }

  /** Undoes `join`. */
  leave (list: Candidates): void {
    this.lists = this.lists.filter(other => other !== list)
  }
}
