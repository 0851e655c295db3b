// A vLLM engine without a model: continuous batching, chunked prefill, prefix cache, preemption, and blocks handed from one engine to another, on any clock.
import type { Clock } from '../core/clock.ts'
import { BlockCache, type Block } from './block-cache.ts'
import { engineOptions, type EngineOptions, type EngineStats } from './engine-options.ts'
import { Holds } from './holds.ts'
import { Sequence, type EngineHandle, type EngineRequest, type FinishReason, type Load } from './sequence.ts'
import { blockHashes } from './tokens.ts'

/**
 * Works in steps as vLLM does: a step takes one token of every decoding request and as much of the prompts as the token
 * budget allows, and lasts as long as the slower of memory (latency, slope) and compute (prefill rate). One timer a step;
 * an idle engine has none.
 */
export class Engine {
  readonly options: Required<EngineOptions>
  private readonly clock: Clock
  private readonly cache: BlockCache
  private readonly running: Sequence[] = []
  private readonly waiting: Sequence[] = []
  /** Those whose blocks are on their way; they have room and no part in the batch. */
  private readonly loading = new Set<Sequence>()
  private readonly holds: Holds
  private readonly batch: Sequence[] = []
  private readonly found: Block[] = []
  /** What was last refused for want of blocks, and when: it need not be looked at again while nothing has changed. */
  private refused: Sequence | undefined
  private refusedAt = 0
  private refusedBudget = 0
  private readonly complete = (): void => this.finishStep()
  private readonly onAbort = (sequence: Sequence): void => this.abort(sequence)
  /** True from the start of a step until its tokens are handed out. */
  private busy = false
  private promptTokens = 0
  private generationTokens = 0
  private prefixQueries = 0
  private prefixHits = 0
  private cachedPromptTokens = 0
  private loadedPromptTokens = 0
  private loadQueries = 0
  private loadHits = 0
  private loadFailures = 0
  private stopped = 0
  private lengthed = 0
  private aborted = 0
  private preemptions = 0
  private steps = 0

  constructor (options: EngineOptions, clock: Clock) {
    this.options = engineOptions(options)
    this.clock = clock
    this.cache = new BlockCache(this.options.kvBlocks)
    this.holds = new Holds(this.cache, clock, this.options.kvHoldTimeoutMs, () => this.wake())
  }

  /** Tokens one request can have, prompt and answer together. */
  get capacity (): number {
    return this.options.kvBlocks * this.options.blockSize
  }

  /**
   * Queues a request; it joins the batch at the next step. An answer longer than the KV cache has room for ends there with
   * reason `length`; a prompt longer than that throws a RangeError.
   */
  submit (request: EngineRequest): EngineHandle {
    const { prompt } = request
    const inBlocks = 'blocks' in prompt
    const tokens = Math.max(1, inBlocks ? prompt.tokens : prompt.length)
    const room = this.capacity - tokens
    if (room < 0 || (room === 0 && request.maxTokens > 0)) throw new RangeError(`a prompt of ${tokens} tokens does not fit into ${this.options.kvBlocks} blocks`)
    const blocks = inBlocks ? prompt.blocks : blockHashes(prompt, this.options.blockSize)
    const sequence = new Sequence(request, blocks, tokens, Math.min(request.maxTokens, room), this.onAbort)
    this.waiting.push(sequence)
    this.wake()
    return sequence
  }

  stats (): EngineStats {
    return {
      running: this.running.length,
      waiting: this.waiting.length + this.loading.size,
      kvUsage: this.cache.used / this.cache.capacity,
      promptTokens: this.promptTokens,
      generationTokens: this.generationTokens,
      prefixQueries: this.prefixQueries,
      prefixHits: this.prefixHits,
      cachedPromptTokens: this.cachedPromptTokens,
      loadedPromptTokens: this.loadedPromptTokens,
      loadQueries: this.loadQueries,
      loadHits: this.loadHits,
      loadFailures: this.loadFailures,
      heldBlocks: this.holds.blocks,
      holdsReleased: this.holds.released,
      holdsExpired: this.holds.expired,
      finished: { stop: this.stopped, length: this.lengthed },
      aborted: this.aborted,
      preemptions: this.preemptions,
      steps: this.steps
    }
  }

  /** Requests running and waiting, without making a `stats` object. */
  get load (): number {
    return this.running.length + this.waiting.length + this.loading.size
  }

  /** Forgets all cached prefixes. As in vLLM nothing happens, and the answer is false, while requests hold blocks. */
  reset (): boolean {
    return this.cache.reset()
  }

  /** Goes on where nothing is under way: there is a new request, or room again. */
  private wake (): void {
    if (!this.busy) this.startStep()
  }

  private startStep (): void {
    this.batch.length = 0
    let budget = this.options.maxNumBatchedTokens
    const preemptions = this.preemptions
    for (let at = 0; at < this.running.length && budget > 0; at++) {
      const sequence = this.running[at]
      if (sequence === undefined || !this.makeRoom(sequence, Math.min(sequence.total - sequence.computed, budget))) break
      budget -= sequence.inStep
    }
    while (preemptions === this.preemptions && budget > 0 && this.running.length < this.options.maxNumSeqs) {
      const sequence = this.waiting[0]
      if (sequence === undefined || !this.admit(sequence, budget)) break
      budget -= sequence.inStep
    }
    this.busy = this.batch.length > 0
    if (!this.busy) {
      // the last one that ran made room for itself only: others that wait may fit
      if (preemptions !== this.preemptions) this.startStep()
      return
    }
    this.steps++
    const { interTokenLatencyMs, interTokenSlopeMs, prefillRate, maxNumBatchedTokens } = this.options
    const memory = interTokenLatencyMs + interTokenSlopeMs * (this.batch.length - 1)
    this.clock.after(Math.max(memory, (maxNumBatchedTokens - budget) / prefillRate * 1000), this.complete)
  }

  /** Room for `tokens` more of a running sequence, if need be by preempting the youngest; false when that was itself. */
  private makeRoom (sequence: Sequence, tokens: number): boolean {
    while (!this.grow(sequence, tokens)) {
      const victim = this.running.pop()
      if (victim === undefined) return false
      this.preemptions++
      this.free(victim)
      this.waitAgain(victim)
      if (victim === sequence) return false
    }
    return true
  }

  /** Moves the first waiting sequence into the batch, on top of what the prefix cache has of it; false when blocks are short. */
  private admit (sequence: Sequence, budget: number): boolean {
    // its blocks were loaded
    if (sequence.allocated > 0) return this.run(sequence, Math.min(sequence.total - sequence.computed, budget))
    if (sequence === this.refused && this.cache.version === this.refusedAt && budget === this.refusedBudget) return false
    const { blockSize } = this.options
    // The last token is computed in any case: its logits give the first token of the answer.
    const idle = this.cache.match(sequence.blocks, Math.floor((sequence.total - 1) / blockSize), this.found)
    const hits = this.found.length
    const missing = sequence.total - hits * blockSize
    const tokens = sequence.load === undefined ? Math.min(missing, budget) : missing
    if (Math.ceil(tokens / blockSize) + idle > this.cache.free) {
      this.refused = sequence
      this.refusedAt = this.cache.version
      this.refusedBudget = budget
      return false
    }
    for (const block of this.found) {
      this.cache.hold(block)
      sequence.held.push(block)
    }
    sequence.allocated = sequence.named = hits
    sequence.computed = hits * blockSize
    if (!sequence.counted) {
      sequence.counted = true
      sequence.cachedTokens = sequence.computed
      this.prefixQueries += sequence.promptTokens
      this.prefixHits += sequence.computed
    }
    if (sequence.load === undefined) return this.run(sequence, tokens)
    this.beginLoad(sequence, sequence.load, tokens)
    return true
  }

  /** Goes before those that never ran, and behind those whose blocks were loaded: they have the room that it waits for. */
  private waitAgain (sequence: Sequence): void {
    sequence.state = 'waiting'
    const { waiting } = this
    let at = 0
    while (sequence.allocated === 0 && (waiting[at]?.allocated ?? 0) > 0) at++
    waiting.splice(at, 0, sequence)
  }

  private run (sequence: Sequence, tokens: number): boolean {
    this.waiting.shift()
    this.running.push(sequence)
    sequence.state = 'running'
    return this.grow(sequence, tokens)
  }

  /** Takes room for all of a prompt and asks for what the prefix cache lacks of it. */
  private beginLoad (sequence: Sequence, load: Load, tokens: number): void {
    const blocks = Math.ceil(sequence.total / this.options.blockSize) - sequence.allocated
    this.cache.take(blocks)
    sequence.allocated += blocks
    sequence.inStep = 0
    this.waiting.shift()
    this.loading.add(sequence)
    sequence.state = 'loading'
    this.loadQueries += tokens
    let told = false
    load.start(found => {
      if (told) return
      told = true
      this.clock.after(found ? tokens * this.options.kvTransferMsPerToken : 0, () => this.endLoad(sequence, load, found ? tokens : undefined))
    })
  }

  private endLoad (sequence: Sequence, load: Load, tokens: number | undefined): void {
    if (sequence.state !== 'loading') return
    this.loading.delete(sequence)
    this.endOfLoad(sequence)
    if (tokens === undefined) this.free(sequence)
    if (tokens === undefined && load.orElse === 'fail') {
      sequence.state = 'ended'
      this.loadFailures++
      this.tell(sequence, 'error')
    } else {
      if (tokens !== undefined) {
        sequence.loadedTokens = tokens
        this.loadHits += tokens
        // the last token is computed here: its logits give the first token of the answer
        sequence.computed = sequence.promptTokens - 1
      }
      this.waitAgain(sequence)
    }
    this.wake()
  }

  private endOfLoad (sequence: Sequence): void {
    const { load } = sequence
    sequence.load = undefined
    load?.end()
  }

  /** Puts `tokens` more of a sequence into the step, with the blocks they need; false, and nothing changed, when these are short. */
  private grow (sequence: Sequence, tokens: number): boolean {
    const { blockSize } = this.options
    const end = sequence.computed + tokens
    const blocks = Math.ceil(end / blockSize) - sequence.allocated
    if (blocks > 0 && !this.cache.take(blocks)) return false
    if (blocks > 0) sequence.allocated += blocks
    // As in vLLM a full block is shared from the moment it is scheduled.
    for (const full = Math.floor(end / blockSize); sequence.named < full; sequence.named++) {
      const hash = sequence.blocks[sequence.named]
      const block = hash === undefined ? undefined : this.cache.name(hash)
      if (block !== undefined) sequence.held.push(block)
    }
    sequence.inStep = tokens
    this.batch.push(sequence)
    return true
  }

  private finishStep (): void {
    for (const sequence of this.batch) {
      if (sequence.state !== 'running') continue
      sequence.computed += sequence.inStep
      if (sequence.computed === sequence.total) this.sample(sequence)
    }
    this.startStep()
  }

  private sample (sequence: Sequence): void {
    if (sequence.generated === 0) {
      this.promptTokens += sequence.promptTokens
      this.cachedPromptTokens += sequence.cachedTokens
      this.loadedPromptTokens += sequence.loadedTokens
    }
    const index = sequence.generated
    const last = index + 1 >= sequence.limit
    if (last) {
      if (sequence.keepBlocks) this.keep(sequence)
      this.leave(sequence)
      if (sequence.reason === 'stop') this.stopped++
      else this.lengthed++
    }
    if (sequence.limit > 0) {
      sequence.generated++
      this.generationTokens++
      sequence.onToken?.(index)
    }
    if (last) this.tell(sequence, sequence.reason)
  }

  private abort (sequence: Sequence): void {
    this.leave(sequence)
    this.aborted++
    this.tell(sequence, 'abort')
    // others may have waited for its room while nothing ran
    this.wake()
  }

  private leave (sequence: Sequence): void {
    if (!this.loading.delete(sequence)) {
      const list = sequence.state === 'running' ? this.running : this.waiting
      list.splice(list.indexOf(sequence), 1)
    }
    this.free(sequence)
    sequence.state = 'ended'
    this.endOfLoad(sequence)
  }

  /** Its blocks stay, for another engine. */
  private keep (sequence: Sequence): void {
    sequence.hold = this.holds.keep(sequence.held, sequence.allocated - sequence.held.length, sequence.computed)
    sequence.held = []
    sequence.allocated = sequence.named = 0
  }

  private tell (sequence: Sequence, reason: FinishReason): void {
    sequence.onFinished?.(reason)
  }

  private free (sequence: Sequence): void {
    this.cache.release(sequence.held, sequence.allocated - sequence.held.length)
    sequence.held = []
    sequence.allocated = sequence.named = 0
  }
}
