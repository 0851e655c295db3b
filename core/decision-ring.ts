// The last choices of workers: written into slots made beforehand, and put into words only when somebody reads them.

/** One choice, and what became of it. What is not known is NaN or an empty text: a slot keeps its shape. */
export class DecisionSlot {
  /** Number of the choice, counted from 1; 0: the slot has not been used. */
  serial = 0
  /** Milliseconds since 1970. */
  at = NaN
  requestId = ''
  route = ''
  leg = ''
  policy = ''
  /** Id of the worker chosen, and the name that tells nothing of its address. */
  worker = ''
  alias = ''
  url = ''
  reason = ''
  candidates = 0
  /** Share of the conversation believed to be in the worker's KV cache. */
  match = NaN
  /** What the session was known by; never the session. */
  session = ''
  uncachedTokens = NaN
  split = ''
  /** How the call ended; empty while it has not. */
  end = ''
  /** 0: no answer came. */
  status = 0
  firstByteMs = NaN
  durationMs = NaN
  promptTokens = NaN
  cachedTokens = NaN
  completionTokens = NaN
}

/** A fixed number of slots, used in turn. */
export class DecisionRing {
  readonly size: number
  /** Number of the last choice. */
  last: number
  private readonly slots: readonly DecisionSlot[]
  private readonly before: number

  /**
   * @param size slots, at least 1
   * @param before number of the last choice of a ring before this one, with whose choices those of this one are not to be confused
   */
  constructor (size: number, before = 0) {
    this.size = size
    this.before = before
    this.last = before
    this.slots = Array.from({ length: size }, () => new DecisionSlot())
  }

  /** Choices that can be read. */
  get length (): number {
    return Math.min(this.last - this.before, this.size)
  }

  /** The slot for one more choice, in place of the oldest; what is left in it of that one has to be written over. */
  take (): DecisionSlot {
    const slot = this.slots[this.last % this.size] as DecisionSlot
    slot.serial = ++this.last
    return slot
  }

  /** The slot of a choice; undefined when another has taken it since. */
  at (serial: number): DecisionSlot | undefined {
    const slot = this.slots[(serial - 1) % this.size]
    return slot?.serial === serial ? slot : undefined
  }

  /** All choices, newest first. */
  * newest (): Generator<DecisionSlot> {
    for (let serial = this.last; serial > this.last - this.length; serial--) {
      const slot = this.at(serial)
      if (slot !== undefined) yield slot
    }
  }
}
