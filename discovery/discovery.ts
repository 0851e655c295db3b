// What a discovery source is: something that knows which workers there are, and says so as a whole list, again and again.
import type { Role, WorkerSpec } from '../core/worker.ts'

/** How a source is doing, for `/readiness` and metrics. */
export interface SourceHealth {
  /** False while the source cannot see its origin; the last list it stated stays in force. */
  readonly ok: boolean
  /** For people: what is wrong, or where the list comes from. */
  readonly detail: string
  /** Seconds since the origin last gave a sign of life; absent where the list cannot grow old. */
  readonly staleSecs?: number
}

/** What a source that follows its origin had to do since it started, by reason. */
export interface SourceCounts {
  /** Whole lists taken. */
  readonly relists: ReadonlyMap<string, number>
  /** Watches that ended and were opened again. */
  readonly watchRestarts: ReadonlyMap<string, number>
}

/** What became of a worker that announces itself; `renewed` says the same again, `expired` has been silent for too long. */
export type RegistrationStep = 'added' | 'changed' | 'renewed' | 'expired'

/**
 * Why a registration was not taken: it is `malformed`, names an address that is `not_allowed`, finds the table `full`, or claims the
 * HTTP address of another worker that is alive (`conflict`).
 */
export type RegistrationRefusal = 'malformed' | 'not_allowed' | 'full' | 'conflict'

/** What a source tells whose workers announce themselves, for metrics. */
export interface RegistrationWatch {
  on (event: 'step', listener: (step: RegistrationStep) => void): unknown
  on (event: 'refused', listener: (reason: RegistrationRefusal) => void): unknown
  /** Workers it knows now, data-parallel ranks counted one by one. */
  known (): ReadonlyMap<Role, number>
}

/** A source of workers. Its `name` labels its workers in `/workers` and in metrics. */
export interface DiscoverySource {
  readonly name: string
  /** Begins to state lists through `state`, each the whole truth as of now; resolves after the first or when none is to be had yet. */
  start (state: (specs: readonly WorkerSpec[]) => void): Promise<void>
  stop (): Promise<void>
  /** A server it states came back after it was down: what was learned by asking it may be void. */
  refresh? (url: string): void
  health (): SourceHealth
  /** Only where workers announce themselves. */
  readonly registrations?: RegistrationWatch
  /** For metrics; absent where there is nothing to count. */
  counts? (): SourceCounts
}

/** Where a source tells people what happens to it; the logger of Fastify and pino's are such. */
export interface SourceLog {
  info (details: object, message: string): void
  warn (details: object, message: string): void
}
