// The workers that have announced themselves: who is known, for how long, and what is too much. No socket, any clock.
import { EventEmitter } from 'node:events'
import type { BlockList } from 'node:net'
import type { Clock, Timer } from '../core/clock.ts'
import { networkList } from '../core/cidr.ts'
import type { Role, WorkerSpec } from '../core/worker.ts'
import type { RegistrationRefusal, RegistrationStep } from './discovery.ts'
import { readRegistration } from './registration.ts'
import type { Registration } from './registration.ts'

/** A worker that has not been heard of for so long is gone; vLLM announces itself every 3 s, and its own proxy waits as long. */
const silenceMs = 5000
/** A timer that is late by more says that this process stood still; announcements may wait in the socket. */
const standstillMs = 1000
/** Lists are stated at most so often, so that workers that change all the time cost little. */
const statePauseMs = 100

/** Bounds and time of the table. */
export interface RegistrationsOptions {
  readonly clock: Clock
  /** Workers known at most, data-parallel ranks counted one by one. */
  readonly maxWorkers: number
  /** Networks that addresses must lie in; empty: any. */
  readonly allow: readonly string[]
  /** Data-parallel ranks of workers that do not tell, by role. */
  readonly ranks: Readonly<Record<'prefill' | 'decode', number>>
  /** Called with the whole list after it changed. */
  readonly state: (specs: readonly WorkerSpec[]) => void
}

interface Entry {
  readonly spec: WorkerSpec
  readonly role: 'prefill' | 'decode'
  /** Workers it stands for. */
  readonly size: number
  /** The spec as text, to see a change. */
  readonly text: string
  seenAt: number
}

/** What the table tells. */
export interface RegistrationsEvents {
  step: [step: RegistrationStep, spec: WorkerSpec]
  refused: [reason: RegistrationRefusal, detail: string]
}

/**
 * Workers by ZMQ address. A worker that names another HTTP address under its ZMQ address has moved there. An HTTP address belongs to the
 * worker that named it first for as long as that one is heard of: another that claims it is refused, so that two that claim the same
 * do not change places with every message.
 */
export class Registrations extends EventEmitter<RegistrationsEvents> {
  private readonly options: RegistrationsOptions
  private readonly allowed: BlockList | undefined
  /** In the order of their last announcement, the longest silent first. */
  private readonly entries = new Map<string, Entry>()
  private readonly owners = new Map<string, string>()
  private readonly counts = new Map<Role, number>([['prefill', 0], ['decode', 0]])
  private size = 0
  private expiry: Timer | undefined
  private statement: Timer | undefined
  private statedAt = -Infinity

  /** @throws RangeError for a network that is none */
  constructor (options: RegistrationsOptions) {
    super()
    this.options = options
    this.allowed = options.allow.length === 0 ? undefined : networkList(options.allow)
  }

  /** Workers known now, ranks counted one by one. */
  known (): ReadonlyMap<Role, number> {
    return this.counts
  }

  /** Takes a decoded message, or refuses it. */
  take (message: unknown): void {
    const read = readRegistration(message)
    if (typeof read === 'string') return this.refuse('malformed', read)
    if (this.allowed !== undefined && !read.hosts.every(({ host, family }) => family !== 0 && this.allowed?.check(host, family === 4 ? 'ipv4' : 'ipv6') === true)) {
      return this.refuse('not_allowed', 'an address lies in no network that is allowed')
    }
    this.register(read)
  }

  /** Counts a message that could not be read. */
  refuse (reason: RegistrationRefusal, detail: string): void {
    this.emit('refused', reason, detail)
  }

  /** Forgets everything and tells nobody. */
  clear (): void {
    this.expiry?.cancel()
    this.statement?.cancel()
    this.expiry = this.statement = undefined
    this.entries.clear()
    this.owners.clear()
    for (const role of this.counts.keys()) this.counts.set(role, 0)
    this.size = 0
  }

  private register ({ zmqAddress, spec: told }: Registration): void {
    const { clock, maxWorkers, ranks: given } = this.options
    const known = this.entries.get(zmqAddress)
    const owner = this.owners.get(told.url)
    if (owner !== undefined && owner !== zmqAddress) return this.refuse('conflict', 'its HTTP address is that of another worker that is alive')
    const ranks = told.connector === 'moriio' ? told.dpSize ?? 1 : given[told.role]
    const size = Math.max(1, ranks)
    if (this.size - (known?.size ?? 0) + size > maxWorkers) return this.refuse('full', 'there are as many workers as there may be')
    const spec: WorkerSpec = size > 1 ? { ...told, ranks: size } : told
    const text = JSON.stringify(spec)
    const now = clock.now()
    if (known?.text === text) {
      known.seenAt = now
      this.entries.delete(zmqAddress)
      this.entries.set(zmqAddress, known)
      this.emit('step', 'renewed', spec)
      return
    }
    if (known !== undefined) this.forget(zmqAddress, known)
    this.entries.set(zmqAddress, { spec, role: told.role, size, text, seenAt: now })
    this.owners.set(spec.url, zmqAddress)
    this.count(told.role, size)
    this.expiry ??= clock.after(silenceMs, () => this.expire(now + silenceMs))
    this.emit('step', known === undefined ? 'added' : 'changed', spec)
    this.changed()
  }

  private forget (zmqAddress: string, entry: Entry): void {
    this.entries.delete(zmqAddress)
    this.owners.delete(entry.spec.url)
    this.count(entry.role, -entry.size)
  }

  private count (role: Role, size: number): void {
    this.size += size
    this.counts.set(role, (this.counts.get(role) ?? 0) + size)
  }

  /** One timer for all: due when the longest silent worker may have expired. */
  private expire (due: number): void {
    const { clock } = this.options
    const now = clock.now()
    this.expiry = undefined
    const late = now - due > standstillMs
    let gone = 0
    for (const [zmqAddress, entry] of this.entries) {
      const left = entry.seenAt + silenceMs - now
      if (left > 0 || late) {
        const pause = late ? standstillMs : left
        this.expiry = clock.after(pause, () => this.expire(now + pause))
        break
      }
      gone++
      this.forget(zmqAddress, entry)
      this.emit('step', 'expired', entry.spec)
    }
    if (gone > 0) this.changed()
  }

  private changed (): void {
    if (this.statement !== undefined) return
    const { clock } = this.options
    const pause = this.statedAt + statePauseMs - clock.now()
    if (pause <= 0) this.stateNow()
    else this.statement = clock.after(pause, () => this.stateNow())
  }

  private stateNow (): void {
    this.statement = undefined
    this.statedAt = this.options.clock.now()
    this.options.state([...this.entries.values()].map(entry => entry.spec))
  }
}
