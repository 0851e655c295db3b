// How an engine is set up and what it tells of itself.

/** How large and how fast an engine is. */
export interface EngineOptions {
  /** Tokens in a block of the KV cache; default 16. */
  readonly blockSize?: number
  /** Blocks in the KV cache; default 8192. */
  readonly kvBlocks?: number
  /** Requests running at once; default 256. */
  readonly maxNumSeqs?: number
  /** Tokens computed in one step, prompts and decodes together; default 2048. */
  readonly maxNumBatchedTokens?: number
  /** Tokens computed in a second when compute is the limit; default 20,000. May be `Infinity`. */
  readonly prefillRate?: number
  /** Milliseconds the shortest step takes: the time between two tokens of a request that runs alone; default 10. */
  readonly interTokenLatencyMs?: number
  /** Milliseconds that each further request in the step adds; default 0.1. */
  readonly interTokenSlopeMs?: number
  /** Milliseconds after which blocks kept for another engine are given up; default 480,000, as vLLM's own. */
  readonly kvHoldTimeoutMs?: number
  /** Milliseconds that each prompt token takes to come over from another engine; default 0.005: 128 KiB a token at 25 GB/s. */
  readonly kvTransferMsPerToken?: number
}

/** What an engine has done and is doing; counters never go back. */
export interface EngineStats {
  readonly running: number
  readonly waiting: number
  /** Part of the KV blocks that requests run on, 0 to 1. */
  readonly kvUsage: number
  /** Prompt tokens of requests whose prefill is done, cached ones included. */
  readonly promptTokens: number
  readonly generationTokens: number
  /** Prompt tokens looked up in the prefix cache, and found there. */
  readonly prefixQueries: number
  readonly prefixHits: number
  /** Of `promptTokens` those found in the prefix cache, and those that came from another engine. */
  readonly cachedPromptTokens: number
  readonly loadedPromptTokens: number
  /** Prompt tokens asked for at other engines, and had from there. */
  readonly loadQueries: number
  readonly loadHits: number
  /** Requests that ended because their blocks were not to be had. */
  readonly loadFailures: number
  /** Blocks kept for other engines now; holds given back, and given up. */
  readonly heldBlocks: number
  readonly holdsReleased: number
  readonly holdsExpired: number
  readonly finished: { readonly stop: number, readonly length: number }
  readonly aborted: number
  readonly preemptions: number
  readonly steps: number
}

/** Every option, with its default where not given. */
export const engineDefaults: Required<EngineOptions> = {
  blockSize: 16,
  kvBlocks: 8192,
  maxNumSeqs: 256,
  maxNumBatchedTokens: 2048,
  prefillRate: 20_000,
  interTokenLatencyMs: 10,
  interTokenSlopeMs: 0.1,
  kvHoldTimeoutMs: 480_000,
  kvTransferMsPerToken: 0.005
}

/** Options with all defaults filled in, and nothing else; throws a RangeError for a value that makes no sense. */
export function engineOptions (options: EngineOptions): Required<EngineOptions> {
  const names = Object.keys(engineDefaults) as Array<keyof EngineOptions>
  const complete = Object.fromEntries(names.map(name => [name, options[name] ?? engineDefaults[name]])) as unknown as Required<EngineOptions>
  for (const name of ['blockSize', 'kvBlocks', 'maxNumSeqs', 'maxNumBatchedTokens'] as const) {
    if (!Number.isSafeInteger(complete[name]) || complete[name] < 1) throw new RangeError(`${name} must be a whole number of 1 or more`)
  }
  for (const name of ['interTokenLatencyMs', 'interTokenSlopeMs', 'kvHoldTimeoutMs', 'kvTransferMsPerToken'] as const) {
    if (!(complete[name] >= 0 && complete[name] < Infinity)) throw new RangeError(`${name} must be 0 or more`)
  }
  if (!(complete.prefillRate > 0)) throw new RangeError('prefillRate must be greater than 0')
  return complete
}
