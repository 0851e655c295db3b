// What a load-balancing policy is: a plain object that chooses one of the candidates for one request.
import type { Candidates } from '../core/candidates.ts'
import type { PrefixChain, Routing } from '../core/routing.ts'
import type { Worker } from '../core/worker.ts'

export type { PrefixChain, Routing } from '../core/routing.ts'

/** Why a worker was chosen: a fixed set of words, so that it can be a metric label. */
export type Reason =
  | 'round_robin' | 'random' | 'only_candidate' | 'lower_load' | 'equal_load'
  | 'header' | 'session' | 'conversation' | 'no_key'
  | 'prefix_hit' | 'prefix_miss' | 'imbalance'
  | 'pinned' | 'panic'

/** What a policy answers. */
export interface Decision {
  worker: Worker
  reason: Reason
  /** Share of the conversation (0 to 1) believed to be in the chosen worker's KV cache, where the policy knows. */
  match?: number
  /** What told the policy which session the request belongs to, where it asked; never the session itself. */
  session?: 'header' | 'session' | 'conversation'
  /** Tokens of the prompt that the chosen worker will have to compute, where the policy has an estimate. */
  uncachedTokens?: number
}

/** Where requests of a session go. */
export interface PlacedSession {
  /** A hash of what names it, the same in all processes. */
  readonly session: number
  readonly model: string | undefined
  readonly worker: Worker
}

/** How a lease ended, as far as a policy may care. */
export interface Finished {
  /** The worker answered and the answer was relayed to its end. */
  readonly ok: boolean
  /** Milliseconds from dispatch to the first byte of the answer; undefined when there was none, and `firstByte` was not called. */
  readonly firstByteMs: number | undefined
  /** Milliseconds from dispatch to the end. */
  readonly durationMs: number
  readonly promptTokens: number | undefined
  readonly cachedTokens: number | undefined
  readonly completionTokens: number | undefined
}

/**
 * A policy. It does no I/O, owns no timer and reads no clock or random source but those it was made with, so the same object
 * serves the server, a unit test and a replay in virtual time. Everything kept for a worker is freed by `workerRemoved`.
 */
export interface Policy {
  readonly name: string
  /** Set when `pick` reads `worker.foreignLoad`: somebody should keep it fresh. */
  readonly wantsForeignLoad?: boolean
  /** Set when the policy reads `worker.kvTokens`: somebody should ask workers for it when they start. */
  readonly wantsKvTokens?: boolean
  /** Chooses; `candidates` is never empty. Must not change any state that only a dispatched request should change. */
  pick (candidates: Candidates, routing: Routing): Decision
  /** The request is on its way to `worker` (always after the `pick` it follows from, but maybe not to the worker picked). */
  dispatched? (worker: Worker, routing: Routing): void
  /** Another process of this router sent `worker` a conversation, maybe a moment ago. What a policy lacks this for is not told. */
  heard? (worker: Worker, prefix: PrefixChain): void
  /** The first byte of the answer came. */
  firstByte? (worker: Worker, routing: Routing): void
  /** The request is over, whoever ended it. Once per `dispatched`. */
  finished? (worker: Worker, routing: Routing, how: Finished): void
  workerAdded? (worker: Worker): void
  workerRemoved? (worker: Worker): void
  /** The requests that `worker` has changed without a call here: other processes of this router told theirs. */
  loadChanged? (worker: Worker): void
  /** Sessions that began or moved, or are still in use, since this was asked last; nothing is noted before the first time. */
  takeSessions? (): readonly PlacedSession[]
  /** Another process of this router told one of its sessions. */
  sessionHeard? (session: PlacedSession): void
  /** The worker does not answer: when it comes back its KV cache is probably empty, and it may be another machine. */
  workerLost? (worker: Worker): void
  /** A client says that a session is over, by the id it named it with; true when there was one. */
  finishSession? (id: string): boolean
  /** Forgets what it learned about the contents of KV caches. */
  flush? (): void
  /** Entries kept per worker, for metrics; undefined when the policy keeps none. */
  size? (worker: Worker): number
}

/** What every policy is made with. */
export interface PolicyContext {
  /** Milliseconds, monotonic. */
  readonly now: () => number
  /** Uniform in [0, 1). */
  readonly random: () => number
}
