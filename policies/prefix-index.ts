// Remembers which worker was sent which conversations, as block hashes, within strict bounds: what is probably in its KV cache.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'
import { BlockTable } from './block-table.ts'
import { ChainedTable, mix } from './chained-table.ts'
import { enlarged, LinkedRings } from './linked-rings.ts'
import type { PrefixChain } from './policy.ts'

/** Bounds of a `PrefixIndex`; both hold at every moment. */
export interface PrefixIndexOptions {
  /** Bytes of conversation remembered per worker. */
  readonly maxBytes: number
  /** Entries over all workers; one is a block remembered for a worker and takes about 80 bytes, outside the JavaScript heap. */
  readonly maxEntries: number
  /** Any 32-bit number that clients cannot know: without it they could send prompts that all fall into one chain of the table. Default 0. */
  readonly salt?: number
}

/** A worker the index knows: `oldest` begins the ring of its entries, least recently sent first. */
interface Holder {
  readonly worker: Worker
  readonly number: number
  oldest: number
  bytes: number
  entries: number
}

/** Holders of a block that are looked at. */
const lookedAt = 64
/** Up to so many holders of a block are found by going round its ring: nearly all blocks have one, and need no place in a second hash table. */
const few = 4
const initialCapacity = 1024
/** Up to here the arrays double; then they take their final size at once. */
const lastDoubled = 2 ** 15

/**
 * A *block* is a hash that at least one worker holds; an *entry* is one worker holding one block. Both are slots in typed
 * arrays: a few dozen bytes each that the garbage collector never walks, and every step of an insert or a lookup is constant
 * time, however many workers there are. (Array elements are read `as number` because every slot lies within its arrays.)
 *
 * Three kinds of rings hold the entries, each least recently sent first: all entries (the overall bound takes from here), a
 * worker's (its byte bound takes from here), and a block's holders. A chain is entered deepest block first, so a block is
 * always forgotten before the one it continues: what a worker holds of a chain is always a beginning of it, and the deepest
 * held block can be found by bisection.
 */
export class PrefixIndex {
  private readonly maxBytes: number
  private readonly maxEntries: number
  private readonly known = new Map<Worker, Holder>()
  /** Holders by number; the numbers of those removed are given out again. */
  private numbered: Array<Holder | undefined> = []
  private oldest = 0
  private count = 0

  private readonly blocks: BlockTable
  private readonly entries: ChainedTable
  private entryBlock: Uint32Array
  private entryHolder: Uint32Array
  private entryBytes: Uint32Array
  private readonly ofAll: LinkedRings
  private readonly ofHolder: LinkedRings
  private readonly ofBlock: LinkedRings

  constructor ({ maxBytes, maxEntries, salt = 0 }: PrefixIndexOptions) {
    this.maxBytes = maxBytes
    this.maxEntries = maxEntries
    const initial = Math.max(1, Math.min(initialCapacity, maxEntries))
    this.blocks = new BlockTable(initial, salt)
    this.entries = new ChainedTable(initial)
    this.entryBlock = new Uint32Array(initial + 1)
    this.entryHolder = new Uint32Array(initial + 1)
    this.entryBytes = new Uint32Array(initial + 1)
    this.ofAll = new LinkedRings(initial)
    this.ofHolder = new LinkedRings(initial)
    this.ofBlock = new LinkedRings(initial)
  }

  /** Entries over all workers. */
  get total (): number {
    return this.count
  }

  /** Entries of one worker. */
  size (worker: Worker): number {
    return this.known.get(worker)?.entries ?? 0
  }

  /** Bytes of conversation remembered for one worker. */
  bytes (worker: Worker): number {
    return this.known.get(worker)?.bytes ?? 0
  }

  /**
   * Remembers that a conversation was sent to a worker, as much of its beginning as the bounds have room for.
   * @param room bytes that this worker has room for, where that is known and less than `maxBytes`
   */
  insert (worker: Worker, { hashes, ends }: PrefixChain, room = Infinity): void {
    const bytes = Math.min(room, this.maxBytes)
    let depth = Math.min(hashes.length, this.maxEntries)
    while (depth > 0 && (ends[depth - 1] as number) > bytes) depth--
    if (depth === 0) return
    const holder = this.known.get(worker) ?? this.welcome(worker)
    // there may be less room than there was
    while (holder.bytes > bytes) this.drop(holder.oldest)
    this.fetch(holder, hashes, depth)
    let next = 0
    while (depth-- > 0) {
      const start = depth === 0 ? 0 : ends[depth - 1] as number
      const block = this.hold(holder, hashes[depth] as number, (ends[depth] as number) - start, bytes)
      if (next !== 0) this.blocks.follow(block, next)
      next = block
    }
  }

  /** In how many different ways the conversations that are known go on after a block. */
  continuations (hash: number): number {
    const block = this.blocks.find(hash)
    return block === 0 ? 0 : this.blocks.childrenOf(block)
  }

  /** How many workers hold a block. */
  holders (hash: number): number {
    const block = this.blocks.find(hash)
    return block === 0 ? 0 : this.blocks.holders[block] as number
  }

  /** Conversations that are known: blocks after which none is. */
  get conversations (): number {
    return this.blocks.ends
  }

  /** Whether any worker holds a block. */
  has (hash: number): boolean {
    return this.blocks.find(hash) !== 0
  }

  holds (worker: Worker, hash: number): boolean {
    const holder = this.known.get(worker)
    const block = this.blocks.find(hash)
    return holder !== undefined && block !== 0 && this.findEntry(block, holder.number) !== 0
  }

  /** Number of leading blocks of the chain that any worker holds. */
  depth (hashes: readonly number[]): number {
    return leading(hashes.length, index => this.has(hashes[index] as number))
  }

  /** Number of leading blocks of the chain that one worker holds. */
  depthOf (worker: Worker, hashes: readonly number[]): number {
    return this.known.has(worker) ? leading(hashes.length, index => this.holds(worker, hashes[index] as number)) : 0
  }

  /**
   * At most `most` of a block's holders, found among at most 64 of them: those that were sent it least recently come first.
   * @param candidates only those of them
   */
  holdersOf (hash: number, most: number, candidates: Candidates): Worker[] {
    const block = this.blocks.find(hash)
    const found: Worker[] = []
    if (block === 0) return found
    const first = this.blocks.first[block] as number
    let entry = first
    for (let looked = 0; looked < lookedAt && found.length < most; looked++) {
      const { worker } = this.holderOf(entry)
      if (candidates.has(worker)) found.push(worker)
      entry = this.ofBlock.after(entry)
      if (entry === first) break
    }
    return found
  }

  /** Forgets a worker. Takes time linear in its entries. */
  remove (worker: Worker): void {
    const holder = this.known.get(worker)
    if (holder === undefined) return
    while (holder.oldest !== 0) this.drop(holder.oldest)
    this.known.delete(worker)
    this.numbered[holder.number] = undefined
    while (this.numbered.length > 0 && this.numbered.at(-1) === undefined) this.numbered.pop()
  }

  private welcome (worker: Worker): Holder {
    const gap = this.numbered.indexOf(undefined)
    const number = gap === -1 ? this.numbered.length : gap
    const holder = this.numbered[number] = { worker, number, oldest: 0, bytes: 0, entries: 0 }
    this.known.set(worker, holder)
    return holder
  }

  /**
   * Touches what an insert will need of the table: of `depth` blocks and of as many that may make room. Each lies somewhere else, and the
   * processor waits for all of them at the same time here, where it would wait for one after the other later.
   */
  private fetch (holder: Holder, hashes: readonly number[], depth: number): void {
    let touched = 0
    for (let at = 0; at < depth; at++) touched ^= this.blocks.peek(hashes[at] as number)
    let entry = holder.oldest
    for (let at = 0; at < depth; at++) {
      touched ^= this.blocks.peekAt(this.entryBlock[entry] as number)
      entry = this.ofHolder.after(entry)
    }
    // slot 0 is nobody's; what is stored has to be computed
    this.entryBytes[0] = touched
  }

  /** Makes a block the most recently sent one of a worker, and overall. */
  private hold (holder: Holder, hash: number, bytes: number, room: number): number {
    let block = this.blocks.find(hash)
    let entry = block === 0 ? 0 : this.findEntry(block, holder.number)
    if (entry !== 0) {
      this.oldest = this.ofAll.touch(this.oldest, entry)
      holder.oldest = this.ofHolder.touch(holder.oldest, entry)
      this.blocks.first[block] = this.ofBlock.touch(this.blocks.first[block] as number, entry)
      return block
    }
    while (holder.bytes + bytes > room && holder.oldest !== 0) this.drop(holder.oldest)
    while (this.count >= this.maxEntries) this.drop(this.oldest)
    // looked up again, as making room may have dropped it
    if (block !== 0) block = this.blocks.find(hash)
    if (block === 0) {
      if (this.blocks.full) this.blocks.grow(this.grown(this.blocks.capacity))
      block = this.blocks.add(hash)
    }
    if (this.entries.full) this.growEntries()
    entry = this.entries.take()
    this.entryBlock[entry] = block
    this.entryHolder[entry] = holder.number
    this.entryBytes[entry] = bytes
    this.oldest = this.ofAll.append(this.oldest, entry)
    holder.oldest = this.ofHolder.append(holder.oldest, entry)
    this.blocks.first[block] = this.ofBlock.append(this.blocks.first[block] as number, entry)
    const holders = this.blocks.holders[block] = (this.blocks.holders[block] as number) + 1
    if (holders > few) this.tabulate(block, entry, holders === few + 1)
    holder.bytes += bytes
    holder.entries++
    this.count++
    return block
  }

  /** The holders of a block have become many: all of them, or the one that joined them, can be found by the table. */
  private tabulate (block: number, entry: number, all: boolean): void {
    for (const one of all ? this.ring(block) : [entry]) this.entries.link(this.entryHash(one), one)
  }

  /** One of many holders goes: it, or all of them, where few are left, are not found by the table any more. */
  private untabulate (block: number, entry: number, all: boolean): void {
    for (const one of all ? this.ring(block) : [entry]) this.entries.unlink(this.entryHash(one), one)
  }

  /** All entries of a block. */
  private ring (block: number): number[] {
    const first = this.blocks.first[block] as number
    const ring = [first]
    for (let entry = this.ofBlock.after(first); entry !== first; entry = this.ofBlock.after(entry)) ring.push(entry)
    return ring
  }

  private entryHash (entry: number): number {
    return mix(this.entryBlock[entry] as number, this.entryHolder[entry] as number)
  }

  private drop (entry: number): void {
    const block = this.entryBlock[entry] as number
    const holder = this.holderOf(entry)
    const holders = this.blocks.holders[block] as number
    if (holders > few) this.untabulate(block, entry, holders === few + 1)
    this.oldest = this.ofAll.remove(this.oldest, entry)
    holder.oldest = this.ofHolder.remove(holder.oldest, entry)
    const first = this.blocks.first[block] = this.ofBlock.remove(this.blocks.first[block] as number, entry)
    holder.bytes -= this.entryBytes[entry] as number
    holder.entries--
    this.count--
    this.entries.give(entry)
    this.blocks.holders[block] = holders - 1
    // those after it went before: whoever holds one of these holds it, too
    if (first === 0) this.blocks.remove(block)
  }

  private findEntry (block: number, number: number): number {
    if ((this.blocks.holders[block] as number) <= few) {
      const first = this.blocks.first[block] as number
      let entry = first
      do {
        if (this.entryHolder[entry] === number) return entry
        entry = this.ofBlock.after(entry)
      } while (entry !== first)
      return 0
    }
    let entry = this.entries.first(mix(block, number))
    while (entry !== 0 && (this.entryBlock[entry] !== block || this.entryHolder[entry] !== number)) entry = this.entries.after(entry)
    return entry
  }

  private holderOf (entry: number): Holder {
    return this.numbered[this.entryHolder[entry] as number] as Holder
  }

  /**
   * The next capacity of either table; there is never more than one block to an entry, so one bound serves both. Growing means
   * hashing all slots again, 100 ms for a million of them: so the last growth comes while they are few. The memory it asks for
   * is taken up only as slots come into use.
   */
  private grown (capacity: number): number {
    return capacity < lastDoubled ? Math.min(2 * capacity, this.maxEntries) : this.maxEntries
  }

  private growEntries (): void {
    const capacity = this.grown(this.entries.capacity)
    this.entries.grow(capacity, entry => {
      const block = this.entryBlock[entry] as number
      return (this.blocks.holders[block] as number) > few ? this.entryHash(entry) : undefined
    })
    this.entryBlock = enlarged(this.entryBlock, capacity + 1)
    this.entryHolder = enlarged(this.entryHolder, capacity + 1)
    this.entryBytes = enlarged(this.entryBytes, capacity + 1)
    this.ofAll.grow(capacity)
    this.ofHolder.grow(capacity)
    this.ofBlock.grow(capacity)
  }
}

/** How many of `count` indices pass from the first on, given that none passes after one that does not. */
export function leading (count: number, test: (index: number) => boolean): number {
  let passed = 0
  while (passed < count) {
    const middle = (passed + count + 1) >>> 1
    if (test(middle - 1)) passed = middle
    else count = middle - 1
  }
  return passed
}
