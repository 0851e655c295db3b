// The blocks of conversations that are known, found by their hashes: which one continues which, and how many workers hold each.
import { ChainedTable, mix } from './chained-table.ts'
import { enlarged } from './linked-rings.ts'

/**
 * Blocks are slots in typed arrays, numbered from 1; 0 means none. The caller grows the table when it is full, and keeps in
 * `first` and `holders` what it wants of each. (Array elements are read `as number` because every slot lies within its arrays.)
 */
export class BlockTable {
  /** For the caller: the first of a block's holders. */
  first: Uint32Array
  /** For the caller: how many workers hold a block. */
  holders: Uint32Array
  /** Blocks that none continues: conversations as far as they are known. */
  ends = 0
  private readonly salt: number
  private readonly table: ChainedTable
  private hi: Uint32Array
  private lo: Uint32Array
  /** The block it continues, and how many continue it. */
  private parent: Uint32Array
  private children: Uint32Array

  /** @param salt any 32-bit number */
  constructor (capacity: number, salt: number) {
    this.salt = salt
    this.table = new ChainedTable(capacity)
    this.hi = new Uint32Array(capacity + 1)
    this.lo = new Uint32Array(capacity + 1)
    this.first = new Uint32Array(capacity + 1)
    this.parent = new Uint32Array(capacity + 1)
    this.children = new Uint32Array(capacity + 1)
    this.holders = new Uint32Array(capacity + 1)
  }

  get capacity (): number {
    return this.table.capacity
  }

  get full (): boolean {
    return this.table.full
  }

  /** The block with this hash; 0 when it is not known. */
  find (hash: number): number {
    const lo = hash >>> 0
    const hi = upper(hash)
    let block = this.peek(hash)
    while (block !== 0 && (this.lo[block] !== lo || this.hi[block] !== hi)) block = this.table.after(block)
    return block
  }

  /** Where the search for a hash would begin. */
  peek (hash: number): number {
    return this.table.first(mix((hash >>> 0) ^ this.salt, upper(hash)))
  }

  /** The same for a block that is known. */
  peekAt (block: number): number {
    return this.table.first(this.mixed(block))
  }

  /** Adds a block that is not known; the table must not be full. Nobody holds it, and it continues none. */
  add (hash: number): number {
    const block = this.table.take()
    this.lo[block] = hash >>> 0
    this.hi[block] = upper(hash)
    this.first[block] = this.parent[block] = this.children[block] = this.holders[block] = 0
    this.table.link(this.mixed(block), block)
    this.ends++
    return block
  }

  /** Notes that `next` continues `block`, unless it is known already. */
  follow (block: number, next: number): void {
    if (this.parent[next] !== 0) return
    this.parent[next] = block
    const children = this.children[block] as number
    this.children[block] = children + 1
    if (children === 0) this.ends--
  }

  /** In how many ways the conversations that are known go on after a block. */
  childrenOf (block: number): number {
    return this.children[block] as number
  }

  /** Takes a block out that none continues. */
  remove (block: number): void {
    const parent = this.parent[block] as number
    this.ends--
    if (parent !== 0) {
      const children = (this.children[parent] as number) - 1
      this.children[parent] = children
      if (children === 0) this.ends++
    }
    this.table.unlink(this.mixed(block), block)
    this.table.give(block)
  }

  grow (capacity: number): void {
    this.table.grow(capacity, block => this.mixed(block))
    this.hi = enlarged(this.hi, capacity + 1)
    this.lo = enlarged(this.lo, capacity + 1)
    this.first = enlarged(this.first, capacity + 1)
    this.parent = enlarged(this.parent, capacity + 1)
    this.children = enlarged(this.children, capacity + 1)
    this.holders = enlarged(this.holders, capacity + 1)
  }

  private mixed (block: number): number {
    return mix((this.lo[block] as number) ^ this.salt, this.hi[block] as number)
  }
}

/** The part of a safe integer above its lowest 32 bits, as an unsigned number. */
function upper (hash: number): number {
  return Math.floor(hash / 0x1_0000_0000) >>> 0
}
