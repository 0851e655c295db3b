// What a discovery source is: something that knows which workers there are, and says so as a whole list, again and again.
import type { WorkerSpec } from '../core/worker.ts'

/** How a source is doing, for `/readiness` and metrics. */
export interface SourceHealth {
  /** False while the source cannot see its origin; the last list it stated stays in force. */
  readonly ok: boolean
  /** For people: what is wrong, or where the list comes from. */
  readonly detail: string
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
}
