// What each worker has still to do, as numbers in typed arrays, and who of many has least of it.

/** What it is worth to everybody that a token need not be computed, in tokens: the time, and the room in a cache, that are then left to others. */
const saved = 3
/**
 * What an answer under way counts beside a prompt that waits. While nobody waits long it matters little that answers halt for a prompt; where even the
 * shortest queue has several prompts, long ones have to stay out of the way of the many.
 */
const leastCrowding = 0.1
const mostCrowding = 4
/** At most so many candidates are looked at: a window that begins anywhere, so that a choice takes no longer in a larger fleet. */
const window = 32

/** What is the same for all workers; changes with what is learned. */
export interface Rates {
  /** Milliseconds for a token of prompt. */
  perToken: number
  /** Tokens of prompt that take as long as the slower steps which one more answer brings: to itself beside one other, and to that other. */
  tokensPerAnswer: number
  /** Tokens to compute of an average prompt. */
  prompt: number
}

/**
 * By slot. Slot 0 is for workers nobody keeps anything for. Array elements are read `as number` because every slot lies within the arrays.
 * `coldest`, `crowding` and `idlest` look at 32 candidates at most, from a place on that `random` (0 ≤ x < 1) decides.
 */
export class LoadTable {
  readonly rates: Rates = { perToken: 0.1, tokensPerAnswer: 0, prompt: 1024 }
  /** Tokens of prompts to be computed for requests whose first byte is awaited. */
  private pending = new Float64Array(16)
  /** Requests, and those of them whose first byte is awaited. */
  private requests = new Int32Array(16)
  private waiting = new Int32Array(16)
  /** Until when prompts are computed whose answers come whole, in milliseconds of the clock. */
  private busyUntil = new Float64Array(16)
  /** Milliseconds for a token where a worker is unlike the others, else 0. */
  private perToken = new Float64Array(16)
  private readonly now: () => number

  constructor (now: () => number) {
    this.now = now
  }

  /** Makes a slot ready for another worker. */
  clear (slot: number): void {
    if (slot >= this.pending.length) this.grow(2 * slot)
    this.pending[slot] = this.requests[slot] = this.waiting[slot] = this.busyUntil[slot] = this.perToken[slot] = 0
  }

  /** Requests that a worker has from this router. */
  requestsAt (slot: number): number {
    return this.requests[slot] as number
  }

  /** Tokens of prompts that it has not computed. */
  pendingAt (slot: number): number {
    const busy = (this.busyUntil[slot] as number) - this.now()
    return (this.pending[slot] as number) + (busy > 0 ? busy / this.perTokenAt(slot) : 0)
  }

  /** Milliseconds for a token of prompt. */
  perTokenAt (slot: number): number {
    return (this.perToken[slot] as number) || this.rates.perToken
  }

  /** A worker is unlike the others; undefined: it is not. */
  setPerToken (slot: number, milliseconds: number | undefined): void {
    this.perToken[slot] = milliseconds ?? 0
  }

  /** A request was sent, with so many tokens to compute. */
  sent (slot: number, tokens: number, whole: boolean): void {
    this.requests[slot] = this.requestsAt(slot) + 1
    if (whole) this.busyUntil[slot] = Math.max(this.busyUntil[slot] as number, this.now()) + tokens * this.perTokenAt(slot)
    else {
      this.pending[slot] = (this.pending[slot] as number) + tokens
      this.waiting[slot] = (this.waiting[slot] as number) + 1
    }
  }

  /** A request's prompt is computed, or need not be any more. */
  computed (slot: number, tokens: number): void {
    this.pending[slot] = Math.max(0, (this.pending[slot] as number) - tokens)
    this.waiting[slot] = Math.max(0, (this.waiting[slot] as number) - 1)
  }

  /** Of prompts whose answers come whole, no more than so many tokens are to be computed. */
  wholeLeft (slot: number, tokens: number): void {
    this.busyUntil[slot] = Math.min(this.busyUntil[slot] as number, this.now() + tokens * this.perTokenAt(slot))
  }

  /** A request is over. */
  ended (slot: number): void {
    this.requests[slot] = Math.max(0, this.requestsAt(slot) - 1)
  }

  /** How much an answer under way counts beside a prompt that waits: the average prompts in front of the candidate with the least to compute, within 0.1 and 4. */
  crowding (slots: Int32Array, random: number): number {
    const { pending, busyUntil } = this
    const { length } = slots
    const now = this.now()
    const perMillisecond = 1 / this.rates.perToken
    let at = Math.floor(random * length)
    let fewest = Infinity
    for (let looked = Math.min(length, window); looked > 0; looked--) {
      const slot = slots[at] as number
      const busy = (busyUntil[slot] as number) - now
      const tokens = (pending[slot] as number) + (busy > 0 ? busy * perMillisecond : 0)
      if (tokens < fewest) fewest = tokens
      if (++at === length) at = 0
    }
    return Math.min(mostCrowding, Math.max(leastCrowding, fewest / this.rates.prompt))
  }

  /**
   * Milliseconds that a request with so many tokens to compute costs there: what is in front of it; its own computing, for itself, for those that
   * wait, and by `crowding` for those that are answered; what these tokens take from all others; and the slower steps of its answer and theirs.
   */
  cost (slot: number, uncached: number, crowding: number): number {
    const requests = this.requestsAt(slot)
    const waiting = this.waiting[slot] as number
    const others = waiting + crowding * (requests - waiting)
    return (this.pendingAt(slot) + uncached * (1 + saved + others) + this.rates.tokensPerAnswer * requests) * this.perTokenAt(slot)
  }

  /** The cost at an idle worker like all others. */
  leastCost (uncached: number): number {
    return uncached * (1 + saved) * this.rates.perToken
  }

  /** Place in the list of the candidate with the least cost. */
  coldest (slots: Int32Array, uncached: number, crowding: number, random: number): number {
    const { pending, requests, waiting, busyUntil, perToken } = this
    const { length } = slots
    const now = this.now()
    const usual = this.rates.perToken
    const own = uncached * (1 + saved)
    const each = uncached * crowding + this.rates.tokensPerAnswer
    const eachWaiting = uncached * (1 - crowding)
    let at = Math.floor(random * length)
    let best = at
    let least = Infinity
    for (let looked = Math.min(length, window); looked > 0; looked--) {
      const slot = slots[at] as number
      const busy = (busyUntil[slot] as number) - now
      const tokens = (pending[slot] as number) + own + each * (requests[slot] as number) + eachWaiting * (waiting[slot] as number)
      const cost = tokens * ((perToken[slot] as number) || usual) + (busy > 0 ? busy : 0)
      if (cost < least) {
        least = cost
        best = at
      }
      if (++at === length) at = 0
    }
    return best
  }

  /** Place in the list of the candidate with the least to do in requests: those in flight, and tokens to compute in prompts of so many tokens. */
  idlest (slots: Int32Array, prompt: number, random: number): number {
    const { pending, requests, busyUntil } = this
    const { length } = slots
    const now = this.now()
    const perToken = 1 / prompt
    const perMillisecond = perToken / this.rates.perToken
    let at = Math.floor(random * length)
    let best = at
    let least = Infinity
    for (let looked = Math.min(length, window); looked > 0; looked--) {
      const slot = slots[at] as number
      const busy = (busyUntil[slot] as number) - now
      const load = (requests[slot] as number) + (pending[slot] as number) * perToken + (busy > 0 ? busy * perMillisecond : 0)
      if (load < least) {
        least = load
        best = at
      }
      if (++at === length) at = 0
    }
    return best
  }

  private grow (length: number): void {
    const longer = <Numbers extends Float64Array | Int32Array>(array: Numbers, copy: Numbers): Numbers => {
      copy.set(array)
      return copy
    }
    this.pending = longer(this.pending, new Float64Array(length))
    this.busyUntil = longer(this.busyUntil, new Float64Array(length))
    this.perToken = longer(this.perToken, new Float64Array(length))
    this.requests = longer(this.requests, new Int32Array(length))
    this.waiting = longer(this.waiting, new Int32Array(length))
  }
}
