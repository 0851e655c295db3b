// Learns how fast a worker is from what its requests took: tokens of prompt a millisecond, and what each further answer costs the others.

/** A straight line through values that change slowly: least squares in which each new value makes the older ones count less. */
class Line {
  private readonly memory: number
  private weight = 0
  private x = 0
  private y = 0
  private xx = 0
  private xy = 0

  /** @param memory share of the old values' weight that is left after a new one of weight 1 */
  constructor (memory: number) {
    this.memory = memory
  }

  add (x: number, y: number): void {
    const { memory } = this
    this.weight = this.weight * memory + 1
    this.x = this.x * memory + x
    this.y = this.y * memory + y
    this.xx = this.xx * memory + x * x
    this.xy = this.xy * memory + x * y
  }

  /** How many values it knows, the older ones counted less. */
  get known (): number {
    return this.weight
  }

  /** Rise of y where x rises by 1; undefined where all x were alike. */
  get slope (): number | undefined {
    const spread = this.weight * this.xx - this.x * this.x
    return spread > 0.01 * this.weight * this.xx ? (this.weight * this.xy - this.x * this.y) / spread : undefined
  }
}

/** Values after which a line is believed. */
const believed = 8
/** Half of what is known is forgotten after 70 values. */
const memory = 0.99
/** Fewer tokens than that tell of the pace of steps rather than of the rate. */
const leastTokens = 512
/** A worker's own rate holds where its logarithm is so far from the fleet's: differences by chance would send everybody to the luckiest. */
const different = 0.4
/** Milliseconds between two first bytes of which the second still comes from the same step of the engine. */
const sameStep = 2

/** Start values for workers nobody has learned about: a large model, so that what is in a cache counts; one line's worth of trust. */
export const startRate = 10
export const startSlope = 0.1

/** Prompts whose first tokens came from the same step of an engine. */
interface Batch {
  /** When the engine could begin with them, and when their first bytes came. */
  readonly begunAt: number
  readonly at: number
  tokens: number
  /** Requests of it that have not ended, whose tokens are not known yet. */
  open: number
  /** A later first byte came: no more will join. */
  closed: boolean
}

/** The part of a request that its worker's speed is learned from. */
export interface Timing {
  readonly dispatchedAt: number
  batch: Batch | undefined
}

/**
 * Engines compute prompts in the order they came, several in one step where they are short (vLLM's chunked prefill). So the time
 * since the first byte before it, or since it was sent if that was later, is the time of a batch's own tokens, and its slope over
 * these tokens is the time of one: waiting and the length of a step do not show in it.
 */
export class WorkerSpeed {
  private readonly prefill = new Line(memory)
  private readonly decode = new Line(memory)
  private last: Batch | undefined
  private readonly fallback: WorkerSpeed | undefined

  /** @param fallback whose values hold until its own are known */
  constructor (fallback?: WorkerSpeed) {
    this.fallback = fallback
  }

  /** Tokens of prompt computed in a millisecond: the fleet's, unless this worker is clearly another kind of machine. */
  get rate (): number {
    const usual = this.fallback?.rate ?? startRate
    const slope = this.prefill.known < believed ? undefined : this.prefill.slope
    if (slope === undefined || !(slope > 0)) return usual
    const own = Math.min(1 / slope, 10_000)
    return this.fallback === undefined || Math.abs(Math.log(own / usual)) > different ? own : usual
  }

  /** Milliseconds that one more answer under way adds to the time between two tokens of each other one. */
  get slope (): number {
    if (this.fallback !== undefined) return this.fallback.slope * this.fallback.rate / this.rate
    const slope = this.decode.known < believed ? undefined : this.decode.slope
    return slope === undefined ? startSlope : Math.max(0, slope)
  }

  /** A streamed request's first byte came. */
  firstByte (timing: Timing, now: number): void {
    let { last } = this
    if (last === undefined || now - last.at > sameStep) {
      const begunAt = Math.max(timing.dispatchedAt, last?.at ?? 0)
      if (last !== undefined) this.close(last)
      this.last = last = { begunAt, at: now, tokens: 0, open: 0, closed: false }
    }
    last.open++
    timing.batch = last
  }

  /** A request ended; `tokens` of its prompt had to be computed. */
  ended ({ batch }: Timing, tokens: number): void {
    if (batch === undefined) return
    batch.tokens += tokens
    batch.open--
    if (batch.closed) this.learn(batch)
  }

  /** An answer's tokens came so many milliseconds apart, beside so many other answers. */
  paced (others: number, milliseconds: number): void {
    this.decode.add(others, milliseconds)
    this.fallback?.paced(others, milliseconds)
  }

  private close (batch: Batch): void {
    batch.closed = true
    this.learn(batch)
  }

  private learn (batch: Batch): void {
    if (batch.open > 0 || batch.tokens < leastTokens) return
    this.learned(batch.tokens, batch.at - batch.begunAt)
  }

  private learned (tokens: number, milliseconds: number): void {
    this.prefill.add(tokens, milliseconds)
    this.fallback?.learned(tokens, milliseconds)
  }
}
