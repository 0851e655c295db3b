// Learns how fast a worker is from when its answers begin and end: milliseconds for a token of prompt, and what each further answer costs the others.

/** Values of `y = slope · x + offset · z`, the older ones counted less: least squares that takes the offset for 0 where nothing tells. */
class Line {
  private readonly memory: number
  private readonly doubt: number
  private weight = 0
  private xx = 0
  private xz = 0
  private zz = 0
  private xy = 0
  private zy = 0

  /**
   * @param memory share of the old values' weight that is left after a new one of weight 1
   * @param doubt part of the weight by which the offset is held at 0
   */
  constructor (memory: number, doubt: number) {
    this.memory = memory
    this.doubt = doubt
  }

  add (x: number, z: number, y: number, weight = 1): void {
    const { memory } = this
    this.weight = this.weight * memory + weight
    this.xx = this.xx * memory + x * x * weight
    this.xz = this.xz * memory + x * z * weight
    this.zz = this.zz * memory + z * z * weight
    this.xy = this.xy * memory + x * y * weight
    this.zy = this.zy * memory + z * y * weight
  }

  /** How many values it knows, the older ones counted less. */
  get known (): number {
    return this.weight
  }

  /** Rise of y where x rises by 1; undefined where nothing tells. */
  get slope (): number | undefined {
    const zz = this.zz + this.doubt * this.weight
    const determinant = this.xx * zz - this.xz * this.xz
    return determinant > 1e-9 * this.xx * zz ? (this.xy * zz - this.xz * this.zy) / determinant : undefined
  }

  /** y where x is 0 and z is 1. */
  get offset (): number {
    const zz = this.zz + this.doubt * this.weight
    const { slope } = this
    return slope === undefined || zz === 0 ? 0 : (this.zy - slope * this.xz) / zz
  }
}

/** Values after which a line is believed. */
const believed = 4
const believedAnswers = 32
/** Steps of answers alone that tell how long one takes. */
const leastAlone = 32
/** Half of what is known of prompts is forgotten after 34 values, of answers after 700. */
const memory = 0.98
const decodeMemory = 0.999
/** A spell of so many tokens is long enough: what the engine had begun of the next prompt counts little beside it. */
const longSpell = 32_768
/** Fewer tokens than that tell of the pace of steps rather than of the rate. */
const shortSpell = 512
/** A worker's own rate holds where its logarithm is so far from the fleet's: differences by chance would send everybody to the luckiest. */
const different = 0.4
/** Milliseconds between two first bytes of which the second still comes from the same step of the engine. */
const sameStep = 2
/** Tokens that a step of an engine has room for, about: vLLM's own default for large machines. */
const stepTokens = 8192
/** A spell that took so many times as long as expected was not spent on computing alone: an engine waits for room, too. It counts so much … */
const slow = 1.5
const slowWeight = 0.1
/** … unless all of so many in a row are like that: then this is how it is now. */
const slowForGood = 12

/** Milliseconds for a token before anybody knows: 10,000 tokens a second, a large model, so that what is in a cache counts. */
export const startPerToken = 0.1
/** Milliseconds that one more answer adds to each step, before anybody knows. */
export const startSlope = 0.1
/** Whatever is measured, a token takes at least so long: 10,000,000 a second. */
const leastPerToken = 0.0001

/** A time in which a worker computed prompts without a pause. */
interface Spell {
  begunAt: number
  /** Its last first byte. */
  at: number
  /** The worker had no prompt to compute before: it may have had a step of answers to finish. */
  readonly fresh: boolean
  /** Tokens of its prompts as expected, and as known. */
  expected: number
  tokens: number
  /** Requests of it that have not ended, whose tokens are not known yet. */
  open: number
  /** No more prompts will join. */
  closed: boolean
  /** Something else was computed meanwhile, or was not computed at all: says nothing. */
  void: boolean
}

/** The part of a request that its worker's speed is learned from. */
export interface Timing {
  readonly dispatchedAt: number
  readonly uncached: number
  spell: Spell | undefined
}

/**
 * Engines compute prompts in the order they came, several in one step where they are short, and long ones in several steps beside others (vLLM's
 * chunked prefill). So a single first byte tells little, but the time from the moment there was something to compute until there was nothing any more
 * is the time of all prompts in between: neither waiting nor the length of a step shows in it. Spells that go on for long are cut.
 */
export class WorkerSpeed {
  private readonly prefill = new Line(memory, 0.001)
  private readonly decode = new Line(decodeMemory, 0)
  private spell: Spell | undefined
  /** What was computed before this moment is not all known. */
  private unclearUntil = -Infinity
  private slowSpells = 0
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
    const slope = this.decode.known < believedAnswers ? undefined : this.decode.slope
    // whatever chance brings: it lies between nothing and the time of a step alone
    return slope === undefined ? startSlope : Math.max(0, Math.min(slope, this.decode.offset))
  }

  /** The worker computes, or computed, something until then whose first byte tells nothing. */
  unclear (until: number): void {
    this.unclearUntil = Math.max(this.unclearUntil, until)
  }

  /** A streamed request's first byte came; tells whether it is the first of a step. */
  firstByte (timing: Timing, now: number): boolean {
    const { dispatchedAt, uncached } = timing
    let { spell } = this
    const step = spell === undefined || now - spell.at > sameStep
    if (spell === undefined || (step && (dispatchedAt >= spell.at || spell.expected >= longSpell))) {
      const fresh = spell === undefined || dispatchedAt >= spell.at
      const begunAt = fresh ? dispatchedAt : spell?.at ?? dispatchedAt
      if (spell !== undefined) this.close(spell)
      this.spell = spell = { begunAt, at: now, fresh, expected: 0, tokens: 0, open: 0, closed: false, void: !fresh && spell?.void === true }
    }
    if (spell.fresh && dispatchedAt < spell.begunAt) spell.begunAt = dispatchedAt
    if (spell.begunAt < this.unclearUntil) spell.void = true
    spell.at = now
    spell.expected += uncached
    spell.open++
    timing.spell = spell
    return step
  }

  /** A request ended; `tokens` of its prompt had to be computed, undefined where that says nothing. */
  ended ({ spell }: Timing, tokens: number | undefined): void {
    if (spell === undefined) return
    spell.open--
    if (tokens === undefined) spell.void = true
    else spell.tokens += tokens
    if (spell.closed) this.learn(spell)
  }

  /**
   * An answer was written.
   * @param tokens of it, but the first
   * @param milliseconds they took
   * @param others answers under way meanwhile, on average
   * @param prompts tokens of prompts computed meanwhile
   * @param steps of the engine in which some of these came to their end
   */
  answered (tokens: number, milliseconds: number, others: number, prompts: number, steps: number): void {
    // steps with a prompt in them take the time of that; where there are many, nothing can be said about the others
    const alone = tokens - steps - prompts / stepTokens
    const left = milliseconds - prompts * this.perToken
    if (alone < leastAlone || left < milliseconds * 0.8) return
    this.decode.add(others, 1, left / alone)
    this.fleet?.decode.add(others, 1, left / alone)
  }

  private close (spell: Spell): void {
    spell.closed = true
    this.learn(spell)
  }

  private learn (spell: Spell): void {
    const { tokens, at, begunAt, fresh } = spell
    if (spell.void || spell.open > 0 || tokens < shortSpell) return
    this.learned(tokens, at - begunAt, fresh ? 1 : 0)
    this.fleet?.learned(tokens, at - begunAt, fresh ? 1 : 0)
  }

  private learned (tokens: number, milliseconds: number, fresh: number): void {
    const { prefill } = this
    const expected = prefill.known < believed ? Infinity : tokens * this.perToken + fresh * prefill.offset
    this.slowSpells = milliseconds > slow * expected ? this.slowSpells + 1 : 0
    prefill.add(tokens, fresh, milliseconds, this.slowSpells === 0 || this.slowSpells >= slowForGood ? 1 : slowWeight)
  }
}
