// Learns how fast a worker is from what its requests took: milliseconds for a token of prompt, and what each further answer costs the others.

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

/** Milliseconds for a token before anybody knows: 10,000 tokens a second, a large model, so that what is in a cache counts. */
export const startPerToken = 0.1
/** Milliseconds that one more answer adds to each step, before anybody knows. */
export const startSlope = 0.1
/** Whatever is measured, a token takes at least so long: 10,000,000 a second. */
const leastPerToken = 0.0001

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
  /** Something else was computed meanwhile, or was not computed at all: says nothing. */
  void: boolean
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
  /** What was computed before this moment is not all known. */
  private unclearUntil = -Infinity
  private readonly fleet: WorkerSpeed | undefined

  /** @param fleet whose values hold until its own are known */
  constructor (fleet?: WorkerSpeed) {
    this.fleet = fleet
  }

  /** Milliseconds for a token of prompt; the start value until it is known. */
  get perToken (): number {
    return this.ownPerToken ?? this.fleet?.perToken ?? startPerToken
  }

  /** The same where this worker is clearly another kind of machine than the rest of the fleet; otherwise undefined. */
  get ownPerToken (): number | undefined {
    const slope = this.prefill.known < believed ? undefined : this.prefill.slope
    if (slope === undefined || !(slope > 0)) return undefined
    const own = Math.max(slope, leastPerToken)
    return this.fleet === undefined || Math.abs(Math.log(own / this.fleet.perToken)) > different ? own : undefined
  }

  /** Milliseconds that one more answer under way adds to the time between two tokens of each other one. */
  get slope (): number {
    if (this.fleet !== undefined) return this.fleet.slope * this.perToken / this.fleet.perToken
    const slope = this.decode.known < believed ? undefined : this.decode.slope
    return slope === undefined ? startSlope : Math.max(0, slope)
  }

  /** The worker computes, or computed, something until then whose first byte tells nothing. */
  unclear (until: number): void {
    this.unclearUntil = Math.max(this.unclearUntil, until)
  }

  /** A streamed request's first byte came. */
  firstByte (timing: Timing, now: number): void {
    let { last } = this
    if (last === undefined || now - last.at > sameStep) {
      const begunAt = Math.max(timing.dispatchedAt, last?.at ?? 0)
      const unclear = begunAt < this.unclearUntil || (last?.void === true && begunAt === last.at)
      if (last !== undefined) this.close(last)
      this.last = last = { begunAt, at: now, tokens: 0, open: 0, closed: false, void: unclear }
    }
    last.open++
    timing.batch = last
  }

  /** A request ended; `tokens` of its prompt had to be computed, undefined where that says nothing. */
  ended ({ batch }: Timing, tokens: number | undefined): void {
    if (batch === undefined) return
    batch.open--
    if (tokens === undefined) batch.void = true
    else batch.tokens += tokens
    if (batch.closed) this.learn(batch)
  }

  /** An answer's tokens came so many milliseconds apart, beside so many other answers. */
  paced (others: number, milliseconds: number): void {
    this.decode.add(others, milliseconds)
    this.fleet?.paced(others, milliseconds)
  }

  private close (batch: Batch): void {
    batch.closed = true
    this.learn(batch)
  }

  private learn (batch: Batch): void {
    if (batch.void || batch.open > 0 || batch.tokens < leastTokens) return
    this.learned(batch.tokens, batch.at - batch.begunAt)
  }

  private learned (tokens: number, milliseconds: number): void {
    this.prefill.add(tokens, milliseconds)
    this.fleet?.learned(tokens, milliseconds)
  }
}
