// A hash table of slot numbers in typed arrays: it hands out slots, finds them by hash and takes them back.
import { enlarged } from './linked-rings.ts'

/** Slots are numbered from 1; 0 means none. What a slot stands for is kept by the caller, in arrays of its own. A slot that is out may be linked to a hash or not. */
export class ChainedTable {
  private chains: Uint32Array
  /** The next slot of the same chain, or of the free list. */
  private next: Uint32Array
  private free = 0
  /** Slots ever handed out: those beyond have not been touched. */
  private used = 0
  private mask: number

  constructor (capacity: number) {
    this.next = new Uint32Array(capacity + 1)
    this.chains = new Uint32Array(powerOfTwo(capacity))
    this.mask = this.chains.length - 1
  }

  get capacity (): number {
    return this.next.length - 1
  }

  get full (): boolean {
    return this.free === 0 && this.used === this.capacity
  }

  /** More slots; only for a full table, as it asks for every slot's hash again: undefined = it is not linked. */
  grow (capacity: number, hashOf: (slot: number) => number | undefined): void {
    this.next = enlarged(this.next, capacity + 1)
    const chains = powerOfTwo(capacity)
    if (chains === this.chains.length) return
    this.chains = new Uint32Array(chains)
    this.mask = chains - 1
    for (let slot = 1; slot <= this.used; slot++) {
      const hash = hashOf(slot)
      if (hash !== undefined) this.link(hash, slot)
    }
  }

  /** First slot that may have this hash; go on with `after` until 0. */
  first (hash: number): number {
    return this.chains[hash & this.mask] as number
  }

  after (slot: number): number {
    return this.next[slot] as number
  }

  /** Hands out a slot that is not linked; the table must not be full. */
  take (): number {
    const slot = this.free
    if (slot === 0) return ++this.used
    this.free = this.next[slot] as number
    return slot
  }

  /** Takes back a slot that is not linked. */
  give (slot: number): void {
    this.next[slot] = this.free
    this.free = slot
  }

  /** From here on the slot is found by this hash. */
  link (hash: number, slot: number): void {
    const chain = hash & this.mask
    this.next[slot] = this.chains[chain] as number
    this.chains[chain] = slot
  }

  /** The slot is no longer found by the hash it was linked to. */
  unlink (hash: number, slot: number): void {
    const chain = hash & this.mask
    let at = this.chains[chain] as number
    if (at === slot) this.chains[chain] = this.next[slot] as number
    else {
      while (this.next[at] !== slot) at = this.next[at] as number
      this.next[at] = this.next[slot] as number
    }
  }
}

function powerOfTwo (atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(atLeast))
}

/** A well mixed 32-bit hash of two 32-bit numbers. */
export function mix (a: number, b: number): number {
  let hash = Math.imul(a, 0x9e3779b1) ^ Math.imul(b ^ (b >>> 16), 0x85ebca77)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return hash ^ (hash >>> 13)
}
