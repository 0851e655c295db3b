// Remembers where the last request of each session went, within a strict bound.
import type { Worker } from '../core/worker.ts'
import { hashBytes } from '../openai/prefix-chain.ts'

/** A worker as sessions know it: one for all of them, emptied when the worker leaves. */
interface Home {
  worker: Worker | undefined
}

interface Seen {
  readonly home: Home
  readonly tokens: number
}

/** Sessions remembered, about 150 bytes each; the one not heard of for longest makes room. */
export const maxSessions = 100_000

const encoder = new TextEncoder()

/** Sessions by a hash of their key: keys are as long as clients make them. */
export class SessionTable {
  private readonly sessions = new Map<number, Seen>()
  private readonly homes = new Map<Worker, Home>()
  private readonly most: number

  constructor (most = maxSessions) {
    this.most = most
  }

  get size (): number {
    return this.sessions.size
  }

  /** Where a session's last request went, and how many tokens its prompt had; undefined where nobody knows, or that worker has left. */
  find (key: string): { worker: Worker, tokens: number } | undefined {
    const seen = this.sessions.get(hashOf(key))
    const worker = seen?.home.worker
    return seen === undefined || worker === undefined ? undefined : { worker, tokens: seen.tokens }
  }

  sent (key: string, worker: Worker, tokens: number): void {
    let home = this.homes.get(worker)
    if (home === undefined) this.homes.set(worker, home = { worker })
    const hash = hashOf(key)
    this.sessions.delete(hash)
    this.sessions.set(hash, { home, tokens })
    if (this.sessions.size <= this.most) return
    const { value: oldest } = this.sessions.keys().next()
    if (oldest !== undefined) this.sessions.delete(oldest)
  }

  /** Forgets a worker. */
  remove (worker: Worker): void {
    const home = this.homes.get(worker)
    if (home === undefined) return
    home.worker = undefined
    this.homes.delete(worker)
  }

  clear (): void {
    this.sessions.clear()
    this.homes.clear()
  }
}

function hashOf (key: string): number {
  return hashBytes(encoder.encode(key), 0)
}
