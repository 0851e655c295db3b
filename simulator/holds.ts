// Blocks an engine keeps after a prefill until another engine has fetched them, or until nobody has come for them in time.
import type { Clock } from '../core/clock.ts'
import type { Block, BlockCache } from './block-cache.ts'

/** `held`, `released` (they are needed no longer), or `expired` (nobody came). */
export type HoldState = 'held' | 'released' | 'expired'

/** The blocks of one finished request. */
export interface Hold {
  /** Tokens whose key/value pairs they are. */
  readonly tokens: number
  /** Made-up numbers of the blocks, as many as there are. */
  readonly blockIds: readonly number[]
  readonly state: HoldState
  /** Gives the blocks back; without effect when they are not held any more. */
  release (): void
}

class KeptBlocks implements Hold {
  readonly tokens: number
  readonly blockIds: readonly number[]
  state: HoldState = 'held'
  end: ((state: HoldState) => void) | undefined

  constructor (tokens: number, blockIds: readonly number[]) {
    this.tokens = tokens
    this.blockIds = blockIds
  }

  release (): void {
    this.end?.('released')
  }
}

/** All holds of one engine. */
export class Holds {
  /** Blocks held now, by how many requests. */
  blocks = 0
  requests = 0
  /** How many ended in which way. */
  released = 0
  expired = 0
  private readonly cache: BlockCache
  private readonly clock: Clock
  private readonly timeoutMs: number
  private readonly onFreed: () => void
  private lastId = 0

  /** `onFreed` hears that there are free blocks again. */
  constructor (cache: BlockCache, clock: Clock, timeoutMs: number, onFreed: () => void) {
    this.cache = cache
    this.clock = clock
    this.timeoutMs = timeoutMs
    this.onFreed = onFreed
  }

  /** Takes over what a sequence had: blocks known by hash, and a number of anonymous ones. */
  keep (held: readonly Block[], anonymous: number, tokens: number): Hold {
    const count = held.length + anonymous
    const kept = new KeptBlocks(tokens, Array.from({ length: count }, () => this.nextId()))
    this.blocks += count
    this.requests++
    const timer = this.clock.after(this.timeoutMs, () => kept.end?.('expired'))
    kept.end = state => {
      kept.end = undefined
      kept.state = state
      timer.cancel()
      this.blocks -= count
      this.requests--
      if (state === 'expired') this.expired++
      else this.released++
      this.cache.release(held, anonymous)
      this.onFreed()
    }
    return kept
  }

  private nextId (): number {
    this.lastId = this.lastId % this.cache.capacity + 1
    return this.lastId
  }
}
