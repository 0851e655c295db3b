// The fleet: the only owner of workers, reconciled from what discovery sources state, and the candidate lists made from it.
import { EventEmitter } from 'node:events'
import { Candidates } from './candidates.ts'
import { Worker } from './worker.ts'
import { parseWorkerUrl } from './worker-url.ts'
import type { HoldCause, ModelCard, Role, WorkerSpec, WorkerState } from './worker.ts'

/** What the registry tells its listeners; every change of a worker's state passes through `changed`. */
export interface RegistryEvents {
  added: [worker: Worker]
  changed: [worker: Worker, from: WorkerState]
  /** The worker's list of models changed. */
  models: [worker: Worker]
  /** A ready worker gets no request for now, or does again. */
  held: [worker: Worker, cause: HoldCause]
  unheld: [worker: Worker, cause: HoldCause]
  /** Other processes of the router told how many requests they have on the worker. */
  elsewhere: [worker: Worker]
  /** A source stated its list; it may be the same as before. */
  stated: [source: string]
  /** A refused or broken connection on live traffic makes the worker suspect: somebody should look at once. */
  suspect: [worker: Worker]
  /** The worker is gone; it holds no request any more, unless its source gave it another role. */
  removed: [worker: Worker]
}

/** The workers one spec stands for: one, or one a data-parallel rank. */
function idsOf (spec: WorkerSpec): Array<[id: string, rank: number | undefined]> {
  if (spec.rank !== undefined) return [[`${spec.url}@${spec.rank}`, spec.rank]]
  const ranks = spec.ranks ?? 1
  if (ranks <= 1) return [[spec.url, undefined]]
  return Array.from({ length: ranks }, (_, rank) => [`${spec.url}@${rank}`, rank])
}

/**
 * Workers by id. Sources state their whole list with `apply`; the registry works out what changed, so an event a source
 * lost heals with its next list. A worker stays while any source states it; then it drains, and is gone with its last request.
 */
export class WorkerRegistry extends EventEmitter<RegistryEvents> {
  private readonly byId = new Map<string, Worker>()
  private readonly stated = new Map<string, ReadonlyMap<string, { spec: WorkerSpec, rank: number | undefined }>>()
  private readonly servers = new Map<string, Worker[]>()
  /** Candidate lists by role and, under it, by model; emptied by every change of the fleet. */
  private readonly all = new Map<Role, Candidates>()
  private readonly byModel = new Map<Role, Map<string, Candidates | undefined>>()
  private readonly bySet = new Map<string, Candidates>()

  constructor () {
    super()
    // every plugin that keeps something for workers listens: more of them than Node takes for a leak
    this.setMaxListeners(0)
  }

  /** All workers, draining ones included, in the order they came. */
  list (): Worker[] {
    return [...this.byId.values()]
  }

  get (id: string): Worker | undefined {
    return this.byId.get(id)
  }

  get size (): number {
    return this.byId.size
  }

  /**
   * States the whole list of one source; returns how many workers this added and set leaving.
   * @throws Error for a URL that is not usable; nothing has changed then
   */
  apply (source: string, specs: readonly WorkerSpec[]): { added: number, removed: number } {
    const wanted = new Map<string, { spec: WorkerSpec, rank: number | undefined }>()
    for (const stated of specs) {
      // as if it were not stated: it drains, and comes back when it is stated without the word
      if (stated.leaving === true) continue
      const { url } = parseWorkerUrl(stated.url)
      const spec = url === stated.url ? stated : { ...stated, url }
      for (const [id, rank] of idsOf(spec)) wanted.set(id, { spec, rank })
    }
    const before = this.stated.get(source)
    this.stated.set(source, wanted)
    let added = 0
    let removed = 0
    for (const id of new Set([...wanted.keys(), ...before?.keys() ?? []])) {
      const worker = this.byId.get(id)
      const others = worker?.sources.filter(name => name !== source) ?? []
      const sources = !wanted.has(id) ? others : worker?.sources.includes(source) === true ? worker.sources : [...others, source]
      // the source that came first decides where several state the same worker differently
      const ruling = this.stated.get(sources[0] ?? source)?.get(id)
      if (ruling === undefined) {
        if (worker === undefined || worker.state === 'draining') continue
        removed++
        this.drain(worker)
      } else if (worker === undefined || worker.role !== (ruling.spec.role ?? 'regular')) {
        if (worker !== undefined) this.forget(worker)
        this.add(new Worker(ruling.spec, ruling.rank), sources)
        added++
      } else {
        worker.spec = ruling.spec
        worker.sources = sources
        if (worker.state === 'draining') this.move(worker, 'starting', 'stated again while leaving')
      }
    }
    this.emit('stated', source)
    return { added, removed }
  }

  /** What a source last stated. */
  specs (source: string): WorkerSpec[] {
    return [...new Set([...this.stated.get(source)?.values() ?? []].map(entry => entry.spec))]
  }

  /** Workers behind one base URL: one, or all ranks of it. */
  at (url: string): Worker[] {
    return [...this.servers.get(url) ?? []]
  }

  /** Base URLs of the fleet, each once. */
  urls (): string[] {
    return [...this.servers.keys()]
  }

  /** Moves a worker to another state. A worker that is leaving only ever goes back by being stated again. */
  setState (worker: Worker, state: 'starting' | 'ready' | 'unhealthy', reason: string): void {
    if (worker.state !== 'draining' && worker.state !== 'gone') this.move(worker, state, reason)
  }

  /** A worker told which models it serves. */
  setModels (worker: Worker, models: ReadonlyMap<string, ModelCard>): void {
    const known = worker.models
    worker.models = models
    if (known !== undefined && known.size === models.size && [...models.keys()].every(model => known.has(model))) return
    this.forgetLists()
    this.emit('models', worker)
  }

  /** Takes a worker out of the candidate lists for a cause, until `until` (milliseconds on the clock of who holds it) as far as is known. */
  hold (worker: Worker, cause: HoldCause, until = Infinity): void {
    const held = worker.holds.has(cause)
    worker.holds.set(cause, until)
    if (held) return
    if (worker.state === 'ready') this.forgetLists()
    this.emit('held', worker, cause)
  }

  /** Takes one cause away; the worker may be picked again when it was the last. */
  unhold (worker: Worker, cause: HoldCause): void {
    if (!worker.holds.delete(cause)) return
    if (worker.state === 'ready') this.forgetLists()
    this.emit('unheld', worker, cause)
  }

  /** Ready workers of a role that are held back, of those that serve `model` where it is given and any is known to. */
  held (role: Role, model?: string): Worker[] {
    const held = this.list().filter(worker => worker.role === role && worker.state === 'ready' && worker.holds.size > 0)
    const serving = model === undefined ? [] : held.filter(worker => worker.models?.has(model))
    return serving.length > 0 ? serving : held
  }

  /** Reports trouble on a worker's connection. */
  suspect (worker: Worker): void {
    if (this.byId.get(worker.id) === worker) this.emit('suspect', worker)
  }

  /** Other processes of the router have so many requests on a worker, and had so many: they count like this one's. */
  setElsewhere (worker: Worker, inFlight: number, processed: number): void {
    worker.share(inFlight, processed)
    this.emit('elsewhere', worker)
    this.released(worker)
  }

  /** A lease ended: a draining worker without requests is gone. Callers are leases. */
  released (worker: Worker): void {
    if (worker.state === 'draining' && worker.inFlight === 0) this.forget(worker)
  }

  /** Workers of a role that may be picked now; empty when there are none. */
  candidates (role: Role): Candidates {
    let list = this.all.get(role)
    if (list === undefined) {
      list = this.shared(role, this.available(role))
      this.all.set(role, list)
    }
    return list
  }

  /**
   * Workers of a role that may be picked now and are known to serve `model`; empty when those that serve it are all out at the
   * moment; undefined when none is known to serve it.
   */
  serving (role: Role, model: string): Candidates | undefined {
    let lists = this.byModel.get(role)
    if (lists === undefined) {
      lists = new Map()
      // every known name is there from the start, so that names clients make up cost a look-up and no memory
      for (const worker of this.byId.values()) {
        if (worker.role !== role || worker.state === 'draining') continue
        for (const name of worker.models?.keys() ?? []) lists.set(name, undefined)
      }
      this.byModel.set(role, lists)
    }
    if (!lists.has(model)) return undefined
    let list = lists.get(model)
    if (list === undefined) {
      list = this.shared(role, this.available(role, model))
      lists.set(model, list)
    }
    return list
  }

  /** Models served by ready workers of a role, or of any; the first worker that serves one describes it. */
  models (role?: Role): Map<string, ModelCard> {
    const models = new Map<string, ModelCard>()
    for (const worker of this.byId.values()) {
      if (worker.state !== 'ready' || (role !== undefined && worker.role !== role)) continue
      for (const [model, card] of worker.models ?? []) if (!models.has(model)) models.set(model, card)
    }
    return models
  }

  private available (role: Role, model?: string): Worker[] {
    const all = this.list().filter(worker => worker.role === role && (model === undefined || worker.models?.has(model) === true))
    const available = all.filter(worker => worker.available)
    return available.length > 0 ? available : all.filter(worker => worker.spare)
  }

  /** One list a set of workers, however many models lead to it: a lease moves its worker in each list it is in. */
  private shared (role: Role, workers: readonly Worker[]): Candidates {
    const key = role + ' ' + workers.map(worker => worker.id).join(' ')
    let list = this.bySet.get(key)
    if (list === undefined) {
      list = new Candidates(workers)
      this.bySet.set(key, list)
    }
    return list
  }

  private move (worker: Worker, state: WorkerState, reason: string): void {
    worker.reason = reason
    const from = worker.state
    if (from === state) return
    worker.state = state
    if (from === 'ready' || state === 'ready' || from === 'draining' || state === 'draining') this.forgetLists()
    this.emit('changed', worker, from)
  }

  private add (worker: Worker, sources: readonly string[]): void {
    worker.sources = sources
    this.byId.set(worker.id, worker)
    const server = this.servers.get(worker.url)
    if (server === undefined) this.servers.set(worker.url, [worker])
    else server.push(worker)
    if (worker.models !== undefined) this.forgetLists()
    this.emit('added', worker)
  }

  private drain (worker: Worker): void {
    worker.sources = []
    if (worker.inFlight === 0) this.forget(worker)
    else this.move(worker, 'draining', 'no longer stated by any source')
  }

  private forget (worker: Worker): void {
    this.byId.delete(worker.id)
    const left = this.at(worker.url).filter(other => other !== worker)
    if (left.length === 0) this.servers.delete(worker.url)
    else this.servers.set(worker.url, left)
    worker.state = 'gone'
    this.forgetLists()
    this.emit('removed', worker)
  }

  private forgetLists (): void {
    for (const list of this.bySet.values()) list.dispose()
    this.bySet.clear()
    this.all.clear()
    this.byModel.clear()
  }
}
