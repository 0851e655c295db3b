// Which session belongs to which worker: bounded in number and age, and counted by worker.
import type { Worker } from '../core/worker.ts'

/** What is known of a worker; the sessions of one that left have no worker any more, and fall out of the table by and by. */
export interface Home {
  worker: Worker | undefined
  sessions: number
}

/** One session. */
export interface Session {
  home: Home
  /** Who served it last when its own worker could not: the same one does it again. */
  deputy: Home | undefined
  /** Since when its requests go elsewhere; Infinity while its own worker gets them. */
  awaySince: number
  usedAt: number
  /** When it was put at the end of the order in which sessions are forgotten. */
  placedAt: number
}

/** A session in use is put at the end of the order so often at most, in milliseconds: an exact order would cost more than it is worth. */
const placing = 30_000
/** Sessions looked at for each one used, so that those whose time is over go soon and no request pays for many. */
const looks = 4

/** Sessions by a hash of their key, least recently used first. */
export class SessionHomes {
  private readonly capacity: number
  private readonly ttlMs: number
  private readonly counted: (worker: Worker) => void
  private readonly table = new Map<number, Session>()
  private readonly homes = new Map<Worker, Home>()
  private readonly left = new WeakSet<Worker>()

  /**
   * @param capacity most sessions; a further one takes the place of one of those not used for longest
   * @param ttlMs a session not used for so long is over
   * @param counted told whose number of sessions changed
   */
  constructor (capacity: number, ttlMs: number, counted: (worker: Worker) => void) {
    this.capacity = capacity
    this.ttlMs = ttlMs
    this.counted = counted
  }

  get size (): number {
    return this.table.size
  }

  /** Sessions of a worker. */
  count (worker: Worker): number {
    return this.homes.get(worker)?.sessions ?? 0
  }

  get (key: number, now: number): Session | undefined {
    const session = this.table.get(key)
    return session === undefined || this.isOver(session, now) ? undefined : session
  }

  /** A request of the session goes to `worker`; a new session becomes its. */
  use (key: number, worker: Worker, now: number): Session | undefined {
    const home = this.homeOf(worker)
    if (home === undefined) return undefined
    let session = this.get(key, now)
    if (session === undefined) {
      this.delete(key)
      this.change(home, 1)
      session = { home, deputy: undefined, awaySince: Infinity, usedAt: now, placedAt: now }
      this.table.set(key, session)
    } else {
      session.usedAt = now
      if (now - session.placedAt >= placing) this.place(key, session, now)
    }
    this.forgetOld(now)
    return session
  }

  /** The session belongs to another worker from now on. */
  move (session: Session, worker: Worker): void {
    const home = this.homeOf(worker)
    if (home === undefined) return
    this.change(session.home, -1)
    this.change(home, 1)
    session.home = home
    session.deputy = undefined
    session.awaySince = Infinity
  }

  /** Another worker serves the session for now. */
  stand (session: Session, worker: Worker, now: number): void {
    session.awaySince = Math.min(session.awaySince, now)
    session.deputy = this.homeOf(worker)
  }

  /** The session is over; whether it was there. */
  delete (key: number): boolean {
    const session = this.table.get(key)
    if (session === undefined) return false
    this.change(session.home, -1)
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

  /** Undefined for a worker that left: a late request must not bring it back. */
  private homeOf (worker: Worker): Home | undefined {
    let home = this.homes.get(worker)
    if (home === undefined && worker.state !== 'gone' && !this.left.has(worker)) this.homes.set(worker, home = { worker, sessions: 0 })
    return home
  }

  private change (home: Home, by: number): void {
    home.sessions += by
    if (home.worker !== undefined) this.counted(home.worker)
  }

  /** Its time is over, or nobody is left who has served it. */
  private isOver ({ usedAt, home, deputy }: Session, now: number): boolean {
    return now - usedAt > this.ttlMs || (home.worker === undefined && deputy?.worker === undefined)
  }

  private place (key: number, session: Session, now: number): void {
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
      const crowded = this.table.size > this.capacity
      const over = this.isOver(session, now)
      if (!over && !crowded) return
      // of a table that is full, one that was used since it was placed stays, unless that goes for all that are looked at
      if (!over && session.usedAt > session.placedAt && look < looks - 1) this.place(key, session, now)
      else this.delete(key)
    }
  }
}
