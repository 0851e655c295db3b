// The KV cache of a simulated engine: a fixed number of blocks, shared by prefix, the idle ones evicted least recently used first.

/** One cached block: the key/value pairs of `blockSize` tokens after a known prefix. */
export class Block {
  readonly hash: number
  /** Sequences that run on it now. */
  users = 1
  /** Neighbours in the list of idle blocks; only set while `users` is 0. */
  older: Block | undefined
  newer: Block | undefined

  constructor (hash: number) {
    this.hash = hash
  }
}

/**
 * Counts blocks rather than holding them: a block is *anonymous* (in use, content not shareable), *held* (in use, known by
 * the hash of its whole prefix), *idle* (known, used by nobody, may be evicted), or unused.
 */
export class BlockCache {
  /** Number of blocks there are. */
  readonly capacity: number
  /** Changes whenever anything here does: an answer is the same as long as this is. */
  version = 0
  private readonly known = new Map<number, Block>()
  private anonymous = 0
  private idle = 0
  private oldest: Block | undefined
  private newest: Block | undefined

  constructor (capacity: number) {
    this.capacity = capacity
  }

  /** Blocks that some sequence runs on. */
  get used (): number {
    return this.anonymous + this.known.size - this.idle
  }

  /** Blocks that can be had: never used ones and idle ones. */
  get free (): number {
    return this.capacity - this.used
  }

  /** Blocks whose content is known by hash, in use or idle. */
  get size (): number {
    return this.known.size
  }

  has (hash: number): boolean {
    return this.known.has(hash)
  }

  /** Puts the longest known prefix of `hashes`, `limit` blocks at most, into `into` and tells how many of these are idle. */
  match (hashes: readonly number[], limit: number, into: Block[]): number {
    into.length = 0
    let idle = 0
    for (let at = 0; at < limit; at++) {
      const hash = hashes[at]
      const block = hash === undefined ? undefined : this.known.get(hash)
      if (block === undefined) break
      into.push(block)
      if (block.users === 0) idle++
    }
    return idle
  }

  /** One more sequence runs on the block. */
  hold (block: Block): void {
    this.version++
    if (block.users++ === 0) this.unlink(block)
  }

  /** Takes `count` anonymous blocks, evicting idle ones as needed; false, and nothing changed, when there are not enough. */
  take (count: number): boolean {
    if (count > this.free) return false
    this.version++
    this.anonymous += count
    while (this.anonymous + this.known.size > this.capacity && this.oldest !== undefined) {
      const block = this.oldest
      this.unlink(block)
      this.known.delete(block.hash)
    }
    return true
  }

  /**
   * An anonymous block is full and gets its name; the caller now holds the returned block instead. Undefined when another
   * block has that content already: the caller's stays anonymous.
   */
  name (hash: number): Block | undefined {
    if (this.known.has(hash)) return undefined
    this.version++
    const block = new Block(hash)
    this.known.set(hash, block)
    this.anonymous--
    return block
  }

  /** Gives back what a sequence had: its blocks by prefix order, the last one becoming the first to be evicted. */
  release (held: readonly Block[], anonymous: number): void {
    this.version++
    this.anonymous -= anonymous
    for (let at = held.length - 1; at >= 0; at--) {
      const block = held[at]
      if (block !== undefined && --block.users === 0) this.link(block)
    }
  }

  /** Forgets every prefix; as in vLLM only when no block is in use, and false otherwise. */
  reset (): boolean {
    if (this.used > 0) return false
    this.version++
    this.known.clear()
    this.idle = 0
    this.oldest = this.newest = undefined
    return true
  }

  private link (block: Block): void {
    block.older = this.newest
    if (this.newest === undefined) this.oldest = block
    else this.newest.newer = block
    this.newest = block
    this.idle++
  }

  private unlink (block: Block): void {
    if (block.older === undefined) this.oldest = block.newer
    else block.older.newer = block.newer
    if (block.newer === undefined) this.newest = block.older
    else block.newer.older = block.older
    block.older = block.newer = undefined
    this.idle--
  }
}
