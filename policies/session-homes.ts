// Which session belongs to which worker: bounded in number and age, and counted by worker.
import type { Worker } from '../core/worker.ts'
import type { PlacedSession } from './policy.ts'

/** What is known of a worker; the sessions of one that left have no worker any more, and fall out of the table by and by. */
interface Home {
  worker: Worker | undefined
  sessions: number
}

/** Where a session is served with one model: workers that serve one need not serve the other. */
interface Place {
  readonly model: string | undefined
  home: Home
  /** Who served it last when its own worker could not: the same one does it again. */
  deputy: Home | undefined
  /** Since when its requests go elsewhere; Infinity while its own worker gets them. */
  awaySince: number
}

interface Session {
  readonly places: Place[]
  usedAt: number
  /** When it was put at the end of the order in which sessions are forgotten. */
  placedAt: number
}

/** What the table is made with. */
export interface SessionHomesOptions {
  /** Most sessions; a further one takes the place of one of those not used for longest. */
  readonly capacity: number
  /** A session not used for so long is over. */
  readonly ttlMs: number
  /** A session whose worker could not take its requests for so long belongs to the one that does. */
  readonly patienceMs: number
  /** Told whose number of sessions changed. */
  readonly counted: (worker: Worker) => void
}

/** Models of one session, the first ones forgotten first; an agent uses two or three. */
const mostPlaces = 8
/** A session in use is put at the end of the order so often at most, in milliseconds: an exact order would cost more than it is worth. */
const placing = 30_000
/** Sessions looked at for each one used, so that those whose time is over go soon and no request pays for many. */
const looks = 4
/** Sessions that wait to be told to other processes; more are not told before they are used again. */
const mostNews = 10_000

/** Sessions by a hash of their key, least recently used first. */
export class SessionHomes {
  private readonly options: SessionHomesOptions
  private readonly table = new Map<number, Session>()
  private readonly homes = new Map<Worker, Home>()
  private readonly left = new WeakSet<Worker>()
  /** To be told to other processes; undefined where there are none. */
  private news: PlacedSession[] | undefined

  constructor (options: SessionHomesOptions) {
    this.options = options
  }

  get size (): number {
    return this.table.size
  }

  /** Sessions of a worker; one with several models counts for each. */
  count (worker: Worker): number {
    return this.homes.get(worker)?.sessions ?? 0
  }

  /** Who serves a session with a model: its own worker, and the one that stands in for it. */
  find (key: number, model: string | undefined, now: number): ReadonlyArray<Worker | undefined> {
    const session = this.table.get(key)
    const place = session === undefined || this.isOver(session, now) ? undefined : placeOf(session, model)
    return place === undefined ? [] : [place.home.worker, place.deputy?.worker]
  }

  /**
   * A request of the session goes to `worker`: a new session becomes its, and so does one whose own worker is unhealthy, leaving, gone or
   * was away for too long.
   */
  use (key: number, model: string | undefined, worker: Worker, now: number): void {
    const home = this.homeOf(worker)
    if (home === undefined) return
    let session = this.table.get(key)
    if (session !== undefined && this.isOver(session, now)) {
      this.delete(key)
      session = undefined
    }
    const place = session && placeOf(session, model)
    const before = place?.home
    if (place === undefined) this.settle(key, session, model, home, now)
    else this.serve(place, home, now)
    const refreshed = session !== undefined && now - session.placedAt >= placing
    if (session !== undefined) {
      session.usedAt = now
      if (refreshed) this.putLast(key, session, now)
    }
    const after = (place?.home ?? home).worker
    if (this.news !== undefined && this.news.length < mostNews && after !== undefined && (refreshed || before?.worker !== after)) {
      this.news.push({ session: key, model, worker: after })
    }
    this.forgetOld(now)
  }

  /** What began or moved, or is still in use, since this was asked last. */
  takeNews (): readonly PlacedSession[] {
    const news = this.news ?? []
    this.news = []
    return news
  }

  /** Another process told where a session is. Where both have it elsewhere, both go by the worker with the smaller id. */
  hear ({ session: key, model, worker }: PlacedSession, now: number): void {
    const home = this.homeOf(worker)
    if (home === undefined) return
    let session = this.table.get(key)
    if (session !== undefined && this.isOver(session, now)) {
      this.delete(key)
      session = undefined
    }
    if (session !== undefined) session.usedAt = now
    const place = session && placeOf(session, model)
    if (place === undefined) this.settle(key, session, model, home, now)
    else if (place.home !== home) {
      const own = place.home.worker
      const holds = own?.state === 'ready' && place.awaySince === Infinity && own.id < worker.id
      if (!holds) this.move(place, home)
    }
    this.forgetOld(now)
  }

  /** The session is over; whether it was there. */
  delete (key: number): boolean {
    const session = this.table.get(key)
    if (session === undefined) return false
    for (const { home } of session.places) this.change(home, -1)
    return this.table.delete(key)
  }

  /** The worker comes, perhaps again. */
  add (worker: Worker): void {
    this.left.delete(worker)
  }

  /** The worker is gone, and so are its sessions. */
  remove (worker: Worker): void {
    this.left.add(worker)
    const home = this.homes.get(worker)
    if (home !== undefined) home.worker = undefined
    this.homes.delete(worker)
  }

  clear (): void {
    this.table.clear()
    this.homes.clear()
  }

  private settle (key: number, session: Session | undefined, model: string | undefined, home: Home, now: number): void {
    const place: Place = { model, home, deputy: undefined, awaySince: Infinity }
    this.change(home, 1)
    if (session === undefined) this.table.set(key, { places: [place], usedAt: now, placedAt: now })
    else this.addPlace(session, place)
  }

  private addPlace ({ places }: Session, place: Place): void {
    if (places.length >= mostPlaces) for (const { home } of places.splice(0, 1)) this.change(home, -1)
    places.push(place)
  }

  private serve (place: Place, home: Home, now: number): void {
    const own = place.home.worker
    if (place.home === home) {
      place.awaySince = Infinity
      return
    }
    place.awaySince = Math.min(place.awaySince, now)
    if (own?.state === 'ready' && now - place.awaySince < this.options.patienceMs) {
      place.deputy = home
      return
    }
    this.move(place, home)
  }

  private move (place: Place, home: Home): void {
    this.change(place.home, -1)
    this.change(home, 1)
    place.home = home
    place.deputy = undefined
    place.awaySince = Infinity
  }

  /** Undefined for a worker that left: a late request must not bring it back. */
  private homeOf (worker: Worker): Home | undefined {
    let home = this.homes.get(worker)
    if (home === undefined && worker.state !== 'gone' && !this.left.has(worker)) this.homes.set(worker, home = { worker, sessions: 0 })
    return home
  }

  private change (home: Home, by: number): void {
    home.sessions += by
    if (home.worker !== undefined) this.options.counted(home.worker)
  }

  /** Its time is over, or nobody is left who has served it. */
  private isOver ({ usedAt, places }: Session, now: number): boolean {
    return now - usedAt > this.options.ttlMs || places.every(({ home, deputy }) => home.worker === undefined && deputy?.worker === undefined)
  }

  private putLast (key: number, session: Session, now: number): void {
    this.table.delete(key)
    this.table.set(key, session)
    session.placedAt = now
  }

  /** Takes out what is over or void, and what is too much. */
  private forgetOld (now: number): void {
    for (let look = 0; look < looks; look++) {
      const [oldest] = this.table
      if (oldest === undefined) return
      const [key, session] = oldest
      const over = this.isOver(session, now)
      if (!over && this.table.size <= this.options.capacity) return
      // of a table that is full, one that was used since it was placed stays, unless that goes for all that are looked at
      if (!over && session.usedAt > session.placedAt && look < looks - 1) this.putLast(key, session, now)
      else this.delete(key)
    }
  }
}

/** Most sessions have one place, and an agent's has few. */
function placeOf ({ places }: Session, model: string | undefined): Place | undefined {
  for (const place of places) if (place.model === model) return place
  return undefined
}
