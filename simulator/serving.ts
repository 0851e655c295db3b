// What a simulated worker serves with: its models, its engines, and the answer it will give to a prompt.
import type { FastifyRequest } from 'fastify'
import { systemClock, type Clock } from '../core/clock.ts'
import { Engine } from './engine.ts'
import type { EngineOptions } from './engine-options.ts'
import type { KvOptions } from './kv/settings.ts'
import type { KvTransfers } from './kv/transfers.ts'
import { badRequest, unknownModel } from './errors.ts'
import { Histogram, firstTokenBuckets, interTokenBuckets } from './histogram.ts'
import { optionalInteger } from './json.ts'
import { hashText, hashTokens, tokenize, wordToken } from './tokens.ts'

/** What a simulated worker is; the options of the engine and of the KV connector stand beside its own. */
export interface SimulatorOptions extends EngineOptions, KvOptions {
  /** Name of the base model; default `simulated`. */
  readonly model?: string
  /** Names of LoRA adapters served from the start; default none. */
  readonly loras?: readonly string[]
  /** Data-parallel size: engines behind the one address, picked by `X-data-parallel-rank`; default 1. */
  readonly ranks?: number
  /** Changes every answer; workers with equal seeds answer a prompt alike. Default 0. */
  readonly seed?: number
  /** When set, paths under `/v1` need it as bearer token. */
  readonly apiKey?: string
  /** Puts `prompt_tokens_details` into `usage`, as `--enable-prompt-tokens-details` does; default true. */
  readonly enablePromptTokensDetails?: boolean
  /** Context length in tokens, prompt and answer; default 32,768, and never more than the KV cache holds. */
  readonly maxModelLen?: number
  /**
   * What becomes of a prompt beyond the context length: `cut` (default: the rest is not looked at, so that huge bodies stay
   * cheap) or `refuse` (400, as vLLM does).
   */
  readonly longPrompts?: 'cut' | 'refuse'
  /** Tokens after which an answer ends by itself (reason `stop`), on average over prompts; default: never. */
  readonly meanAnswerTokens?: number
  /** Path before every route, such as `/worker-1`; default none. */
  readonly prefix?: string
  /** Time for the engines and for failures with a delay; default the system's. */
  readonly clock?: Clock
  /** Requests kept for `GET /_simulator/requests`; default 100. */
  readonly maxRecordedRequests?: number
  /** Stored `/v1/responses` objects; default 1000. */
  readonly maxStoredResponses?: number
}

/** One adapter: its name and where it was loaded from. */
export interface Adapter {
  readonly name: string
  readonly path: string
}

/** One answer to one prompt, known in full before the engine gives it out token by token. */
export interface Choice {
  readonly prompt: readonly number[]
  readonly output: readonly number[]
  readonly reason: 'stop' | 'length'
}

/** Tokens generated when the client names no number. */
const defaultMaxTokens = 16

/** The models and engines of one simulated worker. */
export class Serving {
  readonly model: string
  /** Adapters by name. */
  readonly adapters = new Map<string, Adapter>()
  readonly engines: readonly Engine[]
  /** Latencies in seconds, one histogram an engine. */
  readonly firstToken: readonly Histogram[]
  readonly interToken: readonly Histogram[]
  readonly maxModelLen: number
  readonly clock: Clock
  readonly details: boolean
  /** Set where the worker has a KV connector. */
  kv: KvTransfers | undefined
  private readonly seed: number
  private readonly refuseLong: boolean
  private readonly meanAnswer: number

  constructor (options: SimulatorOptions) {
    const { model, loras, ranks = 1, seed, enablePromptTokensDetails, maxModelLen, longPrompts, meanAnswerTokens, clock } = options
    if (!Number.isSafeInteger(ranks) || ranks < 1) throw new RangeError('ranks must be a whole number of 1 or more')
    this.model = model ?? 'simulated'
    for (const name of loras ?? []) this.adapters.set(name, { name, path: `/adapters/${name}` })
    this.clock = clock ?? systemClock
    this.engines = Array.from({ length: ranks }, () => new Engine(options, this.clock))
    this.firstToken = this.engines.map(() => new Histogram(firstTokenBuckets))
    this.interToken = this.engines.map(() => new Histogram(interTokenBuckets))
    this.maxModelLen = Math.min(maxModelLen ?? 32_768, ...this.engines.map(one => one.capacity))
    this.details = enablePromptTokensDetails ?? true
    this.seed = seed ?? 0
    this.refuseLong = longPrompts === 'refuse'
    this.meanAnswer = meanAnswerTokens ?? 0
  }

  /** Names of all models, the base model first. */
  get models (): readonly string[] {
    return [this.model, ...this.adapters.keys()]
  }

  /** The model a body asks for; the base model when it names none. Throws for one that is not served. */
  modelOf (body: Record<string, unknown>): string {
    const model = body['model'] ?? this.model
    if (typeof model !== 'string' || (model !== this.model && !this.adapters.has(model))) throw unknownModel(String(model), this.models)
    return model
  }

  /** What keeps the cached blocks of one model apart from another's. */
  cacheSeed (model: string): number {
    return model === this.model ? 0 : hashText(model)
  }

  /** The engine a request asks for by `X-data-parallel-rank`, else the least loaded. Throws for a rank out of range. */
  rankOf (request: FastifyRequest): number {
    const header = request.headers['x-data-parallel-rank']
    if (typeof header === 'string' && /^\s*[+-]?\d+\s*$/.test(header)) {
      const rank = Number(header)
      if (rank < 0 || rank >= this.engines.length) throw badRequest(`data_parallel_rank ${rank} is out of range [0, ${this.engines.length}).`)
      return rank
    }
    const loads = this.engines.map(engine => engine.load)
    return loads.indexOf(Math.min(...loads))
  }

  /** Token ids of a prompt's text, no more of them than can matter. */
  tokenize (text: string): number[] {
    return tokenize(text, this.maxModelLen + 1)
  }

  /** The answer the model gives: at most what the body allows, made of words that follow from the prompt alone. */
  answer (body: Record<string, unknown>, prompt: readonly number[], variant = 0): Choice {
    const asked = this.maxTokens(body) ?? defaultMaxTokens
    const fitted = this.fit(prompt, asked)
    const key = hashTokens(fitted, this.seed + variant)
    const natural = this.meanAnswer > 0 && body['ignore_eos'] !== true ? 1 + key % (2 * this.meanAnswer - 1) : Infinity
    const output = Array.from({ length: Math.min(asked, natural) }, (_, index) => wordToken(key, index))
    return { prompt: fitted, output, reason: natural <= asked ? 'stop' : 'length' }
  }

  /** An answer whose text is given; cut where the body's token limit is reached. */
  recite (body: Record<string, unknown>, prompt: readonly number[], text: string): Choice {
    const whole = tokenize(text)
    const asked = this.maxTokens(body) ?? whole.length
    return { prompt: this.fit(prompt, Math.min(asked, whole.length)), output: whole.slice(0, asked), reason: asked < whole.length ? 'length' : 'stop' }
  }

  /** A prompt that is only read, for pooling. */
  readOnly (prompt: readonly number[]): Choice {
    return { prompt: this.fit(prompt, 0), output: [], reason: 'stop' }
  }

  private maxTokens (body: Record<string, unknown>): number | undefined {
    const name = ['max_completion_tokens', 'max_tokens', 'max_output_tokens'].find(one => body[one] !== undefined && body[one] !== null)
    if (name === undefined) return undefined
    const asked = optionalInteger(body, name) ?? defaultMaxTokens
    if (asked < 1) throw badRequest(`${name} must be at least 1, got ${asked}.`, name)
    if (asked >= this.maxModelLen) {
      throw badRequest(`'max_tokens' or 'max_completion_tokens' is too large: ${asked}. This model's maximum context length is ${this.maxModelLen} tokens.`, name)
    }
    return asked
  }

  private fit (prompt: readonly number[], answer: number): readonly number[] {
    const room = this.maxModelLen - answer
    if (prompt.length <= room) return prompt
    if (this.refuseLong) {
      throw badRequest(`This model's maximum context length is ${this.maxModelLen} tokens. However, you requested ${answer} output tokens and your prompt contains at least ${prompt.length} input tokens. Please reduce the length of the input prompt or the number of requested output tokens.`, 'input_tokens')
    }
    return prompt.slice(0, room)
  }
}
