// What is under way now, in no order: put in and taken out in constant time, and forgotten entirely when it is out.

interface Place<T> {
  at: number
  readonly item: T
}

/**
 * For what changes with every request, instead of a `Set` or a `Map`. V8 gives those a new table every few dozen changes and
 * links the old table to it; once one table is in the old generation, collections of young garbage keep all later ones and
 * everything that was ever in them, until a major collection.
 */
export class InFlight<T> implements Iterable<T> {
  private readonly places: Place<T>[] = []

  get size (): number {
    return this.places.length
  }

  /** Puts something in; returns what takes it out again, which does nothing the second time. */
  add (item: T): () => void {
    const place: Place<T> = { at: this.places.length, item }
    this.places.push(place)
    return () => this.remove(place)
  }

  /** All that is in now; additions and removals may come in between. */
  [Symbol.iterator] (): Iterator<T> {
    return this.places.map(({ item }) => item)[Symbol.iterator]()
  }

  private remove (place: Place<T>): void {
    if (place.at === -1) return
    const last = this.places.pop()
    if (last !== undefined && last !== place) {
      this.places[place.at] = last
      last.at = place.at
    }
    place.at = -1
  }
}
