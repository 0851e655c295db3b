// What a connector reads out of a request: whether its blocks are kept for somebody, and whether its prompt's blocks come from somebody.
import { VllmError } from '../errors.ts'
import type { Hold } from '../holds.ts'
import { hashTokens } from '../tokens.ts'
import type { KvSettings } from './settings.ts'

/**
 * What became of an attempt to have blocks from elsewhere: `ok`; `repeated` (had once before, and still readable, as with vLLM);
 * `missing` (the request does not say where they are); `stale` (that worker was restarted, or has given the blocks up); `foreign` (they
 * are another prompt's, or nobody's); `wrong_rank`; `wrong_role` (a prefill leg came to a decode worker or the other way round);
 * `unreachable` (nobody answers there); `timeout` (they never came).
 */
export const transferResults = ['ok', 'repeated', 'missing', 'stale', 'foreign', 'wrong_rank', 'wrong_role', 'unreachable', 'timeout'] as const

export type TransferResult = typeof transferResults[number]

/** `kv_transfer_params` as they came. */
export type Params = Readonly<Record<string, unknown>>

/** What a prompt is known by on both sides: equal for equal prompts. */
export interface PromptMark {
  readonly tokens: number
  /** Of all its tokens, and of the first 1,024. */
  readonly hash: number
  readonly head: number
}

const headTokens = 1024

export function markOf (prompt: readonly number[]): PromptMark {
  const hash = hashTokens(prompt)
  return { tokens: prompt.length, hash, head: prompt.length <= headTokens ? hash : hashTokens(prompt.slice(0, headTokens)) }
}

/** True when a decode leg's prompt is the one that was prefilled; a very long one may have been cut shorter, to leave room for its answer. */
export function isSamePrompt (prefilled: PromptMark, wanted: PromptMark): boolean {
  return wanted.tokens === prefilled.tokens ? wanted.hash === prefilled.hash : wanted.tokens < prefilled.tokens && wanted.head === prefilled.head
}

/** A request as connectors see it. */
export interface KvCall {
  /** What came as `X-Request-Id`. */
  readonly id: string
  /** The id it has inside the engine. */
  readonly engineId: string
  readonly rank: number
  readonly params: Params | undefined
}

/** The worker as its connector sees it. */
export interface KvSelf extends KvSettings {
  /** Port others fetch blocks from, as bound. */
  readonly port: number
  /** One a data-parallel rank, new with each start of the process. */
  readonly engineIds: readonly string[]
}

/** A prefill leg's blocks, on their way to another worker. */
export interface Handover {
  /** Names that the other worker may ask for them by. */
  readonly keys: readonly string[]
  /** `HOST:PORT` they are sent to; default: the other worker fetches them. */
  readonly sendTo?: string
  /** What the answer shows as `kv_transfer_params`. */
  answer (hold: Hold, cachedTokens: number): object | null
}

/** Where a decode leg's blocks are to be had. */
export interface Source {
  /** Whom it asks, for people. */
  readonly remote: string
  /** Asks for those of one of a request's prompts; never rejects. */
  fetch (mark: PromptMark, signal: AbortSignal, choice: number): Promise<TransferResult>
  /** The other worker may give them back. */
  release? (): void
}

/** What is to be done; nothing set is a request like any other. */
export interface KvPlan {
  readonly handover?: Handover
  readonly source?: Source
  /** Counted before anything is done. */
  readonly remark?: TransferResult
  /** Cached tokens that the answer's `usage` is to show, as the prefill worker told them. */
  readonly cachedTokens?: number
}

/** A request that would end a real engine's life, which then answers this. */
export class EngineDeath extends VllmError {
  constructor () {
    super(500, 'InternalServerError', 'EngineCore encountered an issue. See stack trace (above) for the root cause.')
  }
}

/** A request that a real engine never answers, and that ends its life when the client leaves. */
export class EngineHang extends Error {}

/** A source that is none: what is told of it is wrong. */
export function noSource (result: TransferResult): Source {
  return { remote: 'nobody', fetch: () => Promise.resolve(result) }
}

/** A request without a leg's parameters is like any other, but a decode worker's clients mean something else. */
export function plain (self: KvSelf): KvPlan {
  return self.role === 'decode' ? { remark: 'missing' } : {}
}

/** What is said about a leg that came to a worker of the other role. */
export function remarkOn (leg: 'prefill' | 'decode', self: KvSelf): { remark?: TransferResult } {
  return self.role === 'both' || self.role === leg ? {} : { remark: 'wrong_role' }
}

/** The side channel of another worker. */
export function baseUrl (host: string, port: number | string): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** A text among the parameters; undefined for anything else. */
export function text (params: Params, name: string): string | undefined {
  const value = params[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A whole number among the parameters; undefined for anything else. */
export function whole (params: Params, name: string): number | undefined {
  const value = params[name]
  return typeof value === 'number' && Number.isInteger(value) ? value : undefined
}
