// Remembers which worker was sent which conversations, as block hashes, within strict bounds: what is probably in its KV cache.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'
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
  private readonly salt: number
  private readonly known = new Map<Worker, Holder>()
  /** Holders by number; the numbers of those removed are given out again. */
  private numbered: Array<Holder | undefined> = []
  private oldest = 0
  private count = 0

  private blocks: ChainedTable
  private blockHi: Uint32Array
  private blockLo: Uint32Array
  private blockFirst: Uint32Array
  /** The block it continues, how many continue it, and how many workers hold it. */
  private blockParent: Uint32Array
  private blockChildren: Uint32Array
  private blockHolders: Uint32Array
  /** Blocks that none continues: conversations as far as they are known. */
  private ends = 0

  private entries: ChainedTable
  private entryBlock: Uint32Array
  private entryHolder: Uint32Array
  private entryBytes: Uint32Array
  private ofAll: LinkedRings
  private ofHolder: LinkedRings
  private ofBlock: LinkedRings

  constructor ({ maxBytes, maxEntries, salt = 0 }: PrefixIndexOptions) {
    this.maxBytes = maxBytes
    this.maxEntries = maxEntries
    this.salt = salt
    const initial = Math.max(1, Math.min(initialCapacity, maxEntries))
    this.blocks = new ChainedTable(initial)
    this.blockHi = new Uint32Array(initial + 1)
    this.blockLo = new Uint32Array(initial + 1)
    this.blockFirst = new Uint32Array(initial + 1)
    this.blockParent = new Uint32Array(initial + 1)
    this.blockChildren = new Uint32Array(initial + 1)
    this.blockHolders = new Uint32Array(initial + 1)
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
    let next = 0
    while (depth-- > 0) {
      const start = depth === 0 ? 0 : ends[depth - 1] as number
      const block = this.hold(holder, hashes[depth] as number, (ends[depth] as number) - start, bytes)
      if (next !== 0 && this.blockParent[next] === 0) this.follow(block, next)
      next = block
    }
  }

  /** In how many different ways the conversations that are known go on after a block. */
  continuations (hash: number): number {
    const block = this.findBlock(hash)
    return block === 0 ? 0 : this.blockChildren[block] as number
  }

  /** How many workers hold a block. */
  holders (hash: number): number {
    const block = this.findBlock(hash)
    return block === 0 ? 0 : this.blockHolders[block] as number
  }

  /** Conversations that are known: blocks after which none is. */
  get conversations (): number {
    return this.ends
  }

  /** Whether any worker holds a block. */
  has (hash: number): boolean {
    return this.findBlock(hash) !== 0
  }

  holds (worker: Worker, hash: number): boolean {
    const holder = this.known.get(worker)
    const block = this.findBlock(hash)
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
    const block = this.findBlock(hash)
    const found: Worker[] = []
    if (block === 0) return found
    const first = this.blockFirst[block] as number
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

  /** Makes a block the most recently sent one of a worker, and overall. */
  private hold (holder: Holder, hash: number, bytes: number, room: number): number {
    let block = this.findBlock(hash)
    let entry = block === 0 ? 0 : this.findEntry(block, holder.number)
    if (entry !== 0) {
      this.oldest = this.ofAll.touch(this.oldest, entry)
      holder.oldest = this.ofHolder.touch(holder.oldest, entry)
      this.blockFirst[block] = this.ofBlock.touch(this.blockFirst[block] as number, entry)
      return block
    }
    while (holder.bytes + bytes > room && holder.oldest !== 0) this.drop(holder.oldest)
    while (this.count >= this.maxEntries) this.drop(this.oldest)
    // Looked up again, as making room may have dropped it.
    block = this.findBlock(hash)
    if (block === 0) block = this.addBlock(hash)
    if (this.entries.full) this.growEntries()
    entry = this.entries.add(mix(block, holder.number))
    this.entryBlock[entry] = block
    this.entryHolder[entry] = holder.number
    this.entryBytes[entry] = bytes
    this.oldest = this.ofAll.append(this.oldest, entry)
    holder.oldest = this.ofHolder.append(holder.oldest, entry)
    this.blockFirst[block] = this.ofBlock.append(this.blockFirst[block] as number, entry)
    this.blockHolders[block] = (this.blockHolders[block] as number) + 1
    holder.bytes += bytes
    holder.entries++
    this.count++
    return block
  }

  private follow (block: number, next: number): void {
    this.blockParent[next] = block
    const children = this.blockChildren[block] as number
    this.blockChildren[block] = children + 1
    if (children === 0) this.ends--
  }

  /** A block that nobody holds any more is taken out. Those after it went before: whoever holds one of these holds it, too. */
  private forget (block: number): void {
    const parent = this.blockParent[block] as number
    this.ends--
    if (parent !== 0) {
      const children = (this.blockChildren[parent] as number) - 1
      this.blockChildren[parent] = children
      if (children === 0) this.ends++
    }
    this.blocks.delete(this.blockHash(block), block)
  }

  private drop (entry: number): void {
    const block = this.entryBlock[entry] as number
    const holder = this.holderOf(entry)
    this.oldest = this.ofAll.remove(this.oldest, entry)
    holder.oldest = this.ofHolder.remove(holder.oldest, entry)
    const first = this.blockFirst[block] = this.ofBlock.remove(this.blockFirst[block] as number, entry)
    holder.bytes -= this.entryBytes[entry] as number
    holder.entries--
    this.count--
    this.entries.delete(mix(block, holder.number), entry)
    this.blockHolders[block] = (this.blockHolders[block] as number) - 1
    if (first === 0) this.forget(block)
  }

  private findBlock (hash: number): number {
    const lo = hash >>> 0
    const hi = upper(hash)
    let block = this.blocks.first(mix(lo ^ this.salt, hi))
    while (block !== 0 && (this.blockLo[block] !== lo || this.blockHi[block] !== hi)) block = this.blocks.after(block)
    return block
  }

  private findEntry (block: number, number: number): number {
    let entry = this.entries.first(mix(block, number))
    while (entry !== 0 && (this.entryBlock[entry] !== block || this.entryHolder[entry] !== number)) entry = this.entries.after(entry)
    return entry
  }

  private holderOf (entry: number): Holder {
    return this.numbered[this.entryHolder[entry] as number] as Holder
  }

  private blockHash (block: number): number {
    return mix((this.blockLo[block] as number) ^ this.salt, this.blockHi[block] as number)
  }

  private addBlock (hash: number): number {
    if (this.blocks.full) this.growBlocks()
    const lo = hash >>> 0
    const hi = upper(hash)
    const block = this.blocks.add(mix(lo ^ this.salt, hi))
    this.blockLo[block] = lo
    this.blockHi[block] = hi
    this.blockFirst[block] = this.blockParent[block] = this.blockChildren[block] = this.blockHolders[block] = 0
    this.ends++
    return block
  }

  /**
   * The next capacity of either table; there is never more than one block to an entry, so one bound serves both. Growing means
   * hashing all slots again, 100 ms for a million of them: so the last growth comes while they are few. The memory it asks for
   * is taken up only as slots come into use.
   */
  private grown (capacity: number): number {
    return capacity < lastDoubled ? Math.min(2 * capacity, this.maxEntries) : this.maxEntries
  }

  private growBlocks (): void {
    const capacity = this.grown(this.blocks.capacity)
    this.blocks.grow(capacity, block => this.blockHash(block))
    this.blockHi = enlarged(this.blockHi, capacity + 1)
    this.blockLo = enlarged(this.blockLo, capacity + 1)
    this.blockFirst = enlarged(this.blockFirst, capacity + 1)
    this.blockParent = enlarged(this.blockParent, capacity + 1)
    this.blockChildren = enlarged(this.blockChildren, capacity + 1)
    this.blockHolders = enlarged(this.blockHolders, capacity + 1)
  }

  private growEntries (): void {
    const capacity = this.grown(this.entries.capacity)
    this.entries.grow(capacity, entry => mix(this.entryBlock[entry] as number, this.entryHolder[entry] as number))
    this.entryBlock = enlarged(this.entryBlock, capacity + 1)
    this.entryHolder = enlarged(this.entryHolder, capacity + 1)
    this.entryBytes = enlarged(this.entryBytes, capacity + 1)
    this.ofAll.grow(capacity)
    this.ofHolder.grow(capacity)
    this.ofBlock.grow(capacity)
  }
}

/** The part of a safe integer above its lowest 32 bits, as an unsigned number. */
function upper (hash: number): number {
  return Math.floor(hash / 0x1_0000_0000) >>> 0
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
