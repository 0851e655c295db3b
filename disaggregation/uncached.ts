// Estimates how many tokens of a prompt a worker would have to compute: what it was not sent before, and bytes for a token.
import type { PrefixChain } from '../core/routing.ts'
import type { Worker } from '../core/worker.ts'

/** What was sent to which worker; `PrefixIndex` is one. */
export interface PrefixKnowledge {
  insert (worker: Worker, chain: PrefixChain): void
  /** Leading blocks of a chain that a worker holds. */
  depthOf (worker: Worker, hashes: readonly number[]): number
  remove (worker: Worker): void
}

/** Bytes of a conversation for a token, before any answer told better: about that of English prose. */
const firstGuess = 4
/** Whatever workers say, an estimate stays within these. */
const fewest = 0.5
const most = 64
/** Prompts of fewer tokens tell more of the chat template than of the text. */
const tellingTokens = 32
/** Part of a new sample in the estimate. */
const share = 1 / 16

/**
 * The router counts no tokens: it divides the bytes of the conversation, as they stand in the body, by the bytes a token took in
 * earlier requests by the same route (token ids, text and chats differ), which workers tell in `usage`.
 */
export class UncachedEstimate {
  private readonly known: PrefixKnowledge
  private readonly bytesPerToken = new Map<string, number>()

  constructor (known: PrefixKnowledge) {
    this.known = known
  }

  /** Tokens of the prompt that are not in the worker's KV cache, as far as the router knows. */
  tokens (worker: Worker, { hashes, ends, length }: PrefixChain, route: string): number {
    const depth = this.known.depthOf(worker, hashes)
    return (length - (ends[depth - 1] ?? 0)) / this.ratio(route)
  }

  /** Bytes for a token by a route. */
  ratio (route: string): number {
    return this.bytesPerToken.get(route) ?? firstGuess
  }

  /** A worker said how many tokens a prompt had. `route` is one of a fixed set. */
  learn (route: string, bytes: number, tokens: number): void {
    if (tokens < tellingTokens) return
    const sample = Math.min(most, Math.max(fewest, bytes / tokens))
    const before = this.ratio(route)
    this.bytesPerToken.set(route, before + share * (sample - before))
  }

  /** The worker has the conversation in its KV cache now. */
  served (worker: Worker, chain: PrefixChain): void {
    if (worker.state !== 'gone') this.known.insert(worker, chain)
  }

  /** The worker's KV cache is gone. */
  forget (worker: Worker): void {
    this.known.remove(worker)
  }
}
