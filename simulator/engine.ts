// A vLLM engine without a model: continuous batching, chunked prefill, prefix cache and preemption, on any clock.
import type { Clock } from '../core/clock.ts'
import { BlockCache, type Block } from './block-cache.ts'
import { engineOptions, type EngineOptions, type EngineStats } from './engine-options.ts'
import { Sequence, type EngineHandle, type EngineRequest, type FinishReason } from './sequence.ts'
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
  private readonly batch: Sequence[] = []
  private readonly found: Block[] = []
  private readonly complete = (): void => this.finishStep()
  private readonly onAbort = (sequence: Sequence): void => this.abort(sequence)
  /** True from the start of a step until its tokens are handed out. */
  private busy = false
  private promptTokens = 0
  private generationTokens = 0
  private prefixQueries = 0
  private prefixHits = 0
  private stopped = 0
  private lengthed = 0
  private aborted = 0
  private preemptions = 0
  private steps = 0

  constructor (options: EngineOptions, clock: Clock) {
    this.options = engineOptions(options)
    this.clock = clock
    this.cache = new BlockCache(this.options.kvBlocks)
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
    if (!this.busy) this.startStep()
    return sequence
  }

  stats (): EngineStats {
    return {
      running: this.running.length,
      waiting: this.waiting.length,
      kvUsage: this.cache.used / this.cache.capacity,
      promptTokens: this.promptTokens,
      generationTokens: this.generationTokens,
      prefixQueries: this.prefixQueries,
      prefixHits: this.prefixHits,
      finished: { stop: this.stopped, length: this.lengthed },
      aborted: this.aborted,
      preemptions: this.preemptions,
      steps: this.steps
    }
  }

  /** Requests running and waiting, without making a `stats` object. */
  get load (): number {
    return this.running.length + this.waiting.length
  }

  /** Forgets all cached prefixes. As in vLLM nothing happens, and the answer is false, while requests hold blocks. */
  reset (): boolean {
    return this.cache.reset()
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
    if (!this.busy) return
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
      victim.state = 'waiting'
      this.waiting.unshift(victim)
      if (victim === sequence) return false
    }
    return true
  }

  /** Moves the first waiting sequence into the batch, on top of what the prefix cache has of it; false when blocks are short. */
  private admit (sequence: Sequence, budget: number): boolean {
    const { blockSize } = this.options
    // The last token is computed in any case: its logits give the first token of the answer.
    const idle = this.cache.match(sequence.blocks, Math.floor((sequence.total - 1) / blockSize), this.found)
    const hits = this.found.length
    const tokens = Math.min(sequence.total - hits * blockSize, budget)
    if (Math.ceil(tokens / blockSize) + idle > this.cache.free) return false
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
    this.waiting.shift()
    this.running.push(sequence)
    sequence.state = 'running'
    return this.grow(sequence, tokens)
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
    if (sequence.generated === 0) this.promptTokens += sequence.promptTokens
    const index = sequence.generated
    const last = index + 1 >= sequence.limit
    if (last) {
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
  }

  private leave (sequence: Sequence): void {
    const list = sequence.state === 'running' ? this.running : this.waiting
    list.splice(list.indexOf(sequence), 1)
    this.free(sequence)
    sequence.state = 'ended'
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
