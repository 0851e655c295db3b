// Circular doubly linked lists of slot numbers in two typed arrays: queues in which any member can be moved to the end at once.

/**
 * Many disjoint rings over slots 1 to capacity; a slot is in one ring or in none. A ring is known by its first slot, which the
 * caller keeps: every operation takes it and returns the new one. 0 is the empty ring.
 */
export class LinkedRings {
  private next: Uint32Array
  private previous: Uint32Array

  constructor (capacity: number) {
    this.next = new Uint32Array(capacity + 1)
    this.previous = new Uint32Array(capacity + 1)
  }

  grow (capacity: number): void {
    this.next = enlarged(this.next, capacity + 1)
    this.previous = enlarged(this.previous, capacity + 1)
  }

  after (slot: number): number {
    return this.next[slot] as number
  }

  /** Adds a slot at the end. */
  append (first: number, slot: number): number {
    const last = first === 0 ? slot : this.previous[first] as number
    const head = first === 0 ? slot : first
    this.previous[slot] = last
    this.next[slot] = head
    this.next[last] = slot
    this.previous[head] = slot
    return head
  }

  remove (first: number, slot: number): number {
    const next = this.next[slot] as number
    if (next === slot) return 0
    const previous = this.previous[slot] as number
    this.next[previous] = next
    this.previous[next] = previous
    return slot === first ? next : first
  }

  /** Moves a slot of the ring to its end. */
  touch (first: number, slot: number): number {
    // In a ring, moving the first to the end is only a matter of where one begins to count.
    return slot === first ? this.next[slot] as number : this.append(this.remove(first, slot), slot)
  }
}

/** The same numbers in a longer array. */
export function enlarged (array: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const longer = new Uint32Array(length)
  longer.set(array)
  return longer
}
