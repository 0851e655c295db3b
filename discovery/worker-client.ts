// The questions the router itself asks a worker: is it alive, which models does it serve, how busy is it.
import { request } from 'undici'
import type { Dispatcher } from 'undici'
import type { ModelCard } from '../core/worker.ts'

/** How to reach workers for the router's own questions. */
export interface WorkerClientOptions {
  dispatcher: Dispatcher
  /** `Authorization` as it is now. */
  authorization?: () => string | undefined
  /** Whole time of one question, in milliseconds. */
  timeoutMs: number
  /** Path asked for a sign of life. */
  healthPath: string
}

/** A worker's own count of its requests, by data-parallel rank (`engine` label). */
export type EngineLoads = ReadonlyMap<string, number>

/** Longest answer read to one of these questions; vLLM's `/metrics` has about 60 KB an engine. */
const longestAnswer = 8 * 1024 * 1024

/** Asks workers; every method rejects when there is no proper answer in time. */
export class WorkerClient {
  private readonly options: WorkerClientOptions

  constructor (options: WorkerClientOptions) {
    this.options = options
  }

  /** Resolves when the health path answers with 2xx. */
  async health (url: string): Promise<void> {
    await this.get(url, this.options.healthPath)
  }

  /** The entries of `/v1/models` by id: base models and adapters. */
  async models (url: string): Promise<Map<string, ModelCard>> {
    const body: unknown = JSON.parse(await this.get(url, '/v1/models'))
    if (typeof body !== 'object' || body === null || !('data' in body) || !Array.isArray(body.data)) throw new Error('/v1/models is not a list')
    const cards = new Map<string, ModelCard>()
    for (const entry of body.data as unknown[]) {
      if (typeof entry === 'object' && entry !== null && 'id' in entry && typeof entry.id === 'string') cards.set(entry.id, { ...entry })
    }
    return cards
  }

  /** Running and waiting requests from `/metrics`. */
  async loads (url: string): Promise<EngineLoads> {
    const text = await this.get(url, '/metrics')
    const loads = new Map<string, number>()
    for (const [, labels = '', value] of text.matchAll(/^vllm:num_requests_(?:running|waiting)(?:\{([^}]*)\})? ([0-9.e+]+)/gm)) {
      const engine = /(?:^|,)engine="([^"]*)"/.exec(labels)?.[1] ?? '0'
      loads.set(engine, (loads.get(engine) ?? 0) + Number(value))
    }
    return loads
  }

  /** Tokens for which there is room in the KV cache, by data-parallel rank, from `/metrics`. */
  async kvTokens (url: string): Promise<Map<string, number>> {
    const text = await this.get(url, '/metrics')
    const tokens = new Map<string, number>()
    for (const [, labels = ''] of text.matchAll(/^vllm:cache_config_info\{([^}\n]*)\}/gm)) {
      const label = (name: string): string | undefined => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1]
      const capacity = Number(label('num_gpu_blocks')) * Number(label('block_size'))
      if (capacity > 0 && Number.isSafeInteger(capacity)) tokens.set(label('engine') ?? '0', capacity)
    }
    return tokens
  }

  /** Data-parallel engines that `/metrics` tells of; 0 where it tells none, or there is no such page. */
  async engines (url: string): Promise<number> {
    let text: string
    try {
      text = await this.get(url, '/metrics')
    } catch (error) {
      if (error instanceof Error && / answered 4\d\d$/.test(error.message)) return 0
      throw error
    }
    const engines = new Set<string>()
    for (const [, engine = ''] of text.matchAll(/^vllm:[^{\n]*\{[^}\n]*?\bengine="([^"]*)"/gm)) engines.add(engine)
    return engines.size
  }

  /** Engine ids by data-parallel rank, from a Mooncake bootstrap server at a base URL; it gets no credential. */
  async bootstrap (address: string): Promise<Map<string, string>> {
    const body: unknown = JSON.parse(await this.ask(address, '/query', 'GET', undefined, false))
    if (typeof body !== 'object' || body === null) throw new Error('/query is not an object')
    const engines = new Map<string, string>()
    for (const [rank, entry] of Object.entries(body) as Array<[string, unknown]>) {
      if (typeof entry === 'object' && entry !== null && 'engine_id' in entry && typeof entry.engine_id === 'string') engines.set(rank, entry.engine_id)
    }
    return engines
  }

  /** Asks for one token of `model`; resolves when the worker made it. */
  async generate (url: string, model: string): Promise<void> {
    await this.ask(url, '/v1/completions', 'POST', JSON.stringify({ model, prompt: 'Hi', max_tokens: 1 }))
  }

  /** Empties the worker's prefix cache (vLLM's development mode has the route). */
  async resetPrefixCache (url: string): Promise<void> {
    await this.ask(url, '/reset_prefix_cache', 'POST')
  }

  private async get (url: string, path: string): Promise<string> {
    return await this.ask(url, path, 'GET')
  }

  private async ask (url: string, path: string, method: 'GET' | 'POST', json?: string, credential = true): Promise<string> {
    const headers: Record<string, string> = {}
    const authorization = credential ? this.options.authorization?.() : undefined
    if (authorization !== undefined) headers['authorization'] = authorization
    if (json !== undefined) headers['content-type'] = 'application/json'
    const { statusCode, body } = await request(url + path, {
      dispatcher: this.options.dispatcher, method, headers, body: json ?? null, signal: AbortSignal.timeout(this.options.timeoutMs)
    })
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > longestAnswer) throw new Error(`${path} answered more than ${longestAnswer} bytes`)
      chunks.push(chunk)
    }
    if (statusCode < 200 || statusCode > 299) throw new Error(`${path} answered ${statusCode}`)
    return Buffer.concat(chunks).toString()
  }
}
