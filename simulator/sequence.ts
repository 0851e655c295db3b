// What an engine is asked for, and one such request on its way through the engine.
import type { Block } from './block-cache.ts'
import type { Hold } from './holds.ts'

/** Why a request ended: its natural end, its token limit, `abort`, or `error`: its prompt's blocks were not to be had elsewhere. */
export type FinishReason = 'stop' | 'length' | 'abort' | 'error'

/**
 * A prompt known by its blocks only, for replays. `blocks[i]` stands for block i *and everything before it* (equal numbers
 * mean equal prefixes); entries past the prompt name the blocks that the answer fills; blocks without an entry are never shared.
 */
export interface BlockPrompt {
  readonly blocks: readonly number[]
  /** Length of the prompt in tokens, 1 or more. */
  readonly tokens: number
}

/** Key/value pairs of a prompt that another engine has computed. Neither function may call the engine. */
export interface Load {
  /** What follows when they are not to be had: compute the prompt here, or end with reason `error`. */
  readonly orElse: 'recompute' | 'fail'
  /** Asks for them; called when there are blocks to load into. `done` says whether they are to be had, and may be called at once, later or never. */
  readonly start: (done: (found: boolean) => void) => void
  /** They are loaded, or this request has ended: the other engine may give its blocks back. Called once. */
  readonly end: () => void
}

/** One request to an engine. Callbacks must not throw; they may call the engine. */
export interface EngineRequest {
  /** Token ids, or the blocks they would make. */
  readonly prompt: readonly number[] | BlockPrompt
  /** Tokens to generate at most; 0 for a prefill only (pooling). */
  readonly maxTokens: number
  /** Tokens after which the model ends by itself (reason `stop`); default: never. */
  readonly stopAfter?: number
  /** Keeps the blocks at the request's own end, for another engine; then the handle's `hold` is set before `onFinished`. */
  readonly keepBlocks?: boolean
  /** Where the prompt's blocks come from, as far as they are not in the prefix cache; default: they are computed here. */
  readonly load?: Load
  /** Called for each generated token, `index` counting from 0. */
  readonly onToken?: (index: number) => void
  /** Called once, when the request has left the engine. */
  readonly onFinished?: (reason: FinishReason) => void
}

/** The caller's hold on a submitted request. */
export interface EngineHandle {
  /** Takes the request out of the engine at once and frees its blocks; without effect once it has ended. */
  abort (): void
  /** Prompt tokens found in the prefix cache; 0 until the request is first scheduled. */
  readonly cachedTokens: number
  /** Prompt tokens whose blocks came from another engine. */
  readonly loadedTokens: number
  /** The blocks that were kept, with `keepBlocks`. */
  readonly hold: Hold | undefined
}

/** A request inside the engine; one fixed shape, changed by the engine only. */
export class Sequence implements EngineHandle {
  readonly blocks: readonly number[]
  readonly promptTokens: number
  /** Tokens it will generate, and the reason it then ends with. */
  readonly limit: number
  readonly reason: FinishReason
  readonly onToken: ((index: number) => void) | undefined
  readonly onFinished: ((reason: FinishReason) => void) | undefined
  state: 'waiting' | 'loading' | 'running' | 'ended' = 'waiting'
  cachedTokens = 0
  loadedTokens = 0
  readonly keepBlocks: boolean
  hold: Hold | undefined
  /** Until its end is told. */
  load: Load | undefined
  /** True once the prefix cache has been asked for it; a preempted request asks again but is not counted again. */
  counted = false
  generated = 0
  /** Tokens whose key/value pairs are in the cache. */
  computed = 0
  /** Tokens being computed in the present step. */
  inStep = 0
  /** Blocks it has, known and anonymous. */
  allocated = 0
  /** Leading blocks that were offered to the prefix cache. */
  named = 0
  held: Block[] = []
  private readonly onAbort: (sequence: Sequence) => void

  constructor (request: EngineRequest, blocks: readonly number[], promptTokens: number, limit: number, onAbort: (sequence: Sequence) => void) {
    this.blocks = blocks
    this.promptTokens = promptTokens
    const natural = request.stopAfter ?? Infinity
    this.limit = Math.min(limit, natural)
    this.reason = this.limit === 0 || natural <= limit ? 'stop' : 'length'
    this.keepBlocks = request.keepBlocks === true
    this.load = request.load
    this.onToken = request.onToken
    this.onFinished = request.onFinished
    this.onAbort = onAbort
  }

  /** Tokens to be computed before the next one can be sampled. */
  get total (): number {
    return this.promptTokens + this.generated
  }

  abort (): void {
    if (this.state !== 'ended') this.onAbort(this)
  }
}
