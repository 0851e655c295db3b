// The metrics page of a simulated worker: vLLM's names and labels, one series an engine.
import type { Engine } from './engine.ts'
import type { EngineStats } from './engine-options.ts'
import type { Histogram } from './histogram.ts'
import type { KvTransfers } from './kv/transfers.ts'
import type { Serving } from './serving.ts'

/** The page in Prometheus text format; `aborts` counts requests whose client left. */
export function metricsPage (serving: Serving, aborts: number): string {
  const stats = serving.engines.map(engine => engine.stats())
  const labels = serving.engines.map((_, rank) => `engine="${rank}",model_name="${escape(serving.model)}"`)
  const page: string[] = []

  const family = (name: string, type: 'gauge' | 'counter', help: string, value: (stats: EngineStats) => number): void => {
    page.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
    stats.forEach((one, rank) => page.push(`${name}{${labels[rank] ?? ''}} ${value(one)}`))
  }
  const histogram = (name: string, help: string, histograms: readonly Histogram[]): void => {
    page.push(`# HELP ${name} ${help}`, `# TYPE ${name} histogram`)
    histograms.forEach((one, rank) => page.push(...one.lines(name, labels[rank] ?? '')))
  }

  family('vllm:num_requests_running', 'gauge', 'Number of requests in model execution batches.', one => one.running)
  family('vllm:num_requests_waiting', 'gauge', 'Number of requests waiting to be processed.', one => one.waiting)
  family('vllm:kv_cache_usage_perc', 'gauge', 'KV-cache usage. 1 means 100 percent usage.', one => one.kvUsage)
  family('vllm:prefix_cache_queries_total', 'counter', 'Prefix cache queries, in terms of number of queried tokens.', one => one.prefixQueries)
  family('vllm:prefix_cache_hits_total', 'counter', 'Prefix cache hits, in terms of number of cached tokens.', one => one.prefixHits)
  family('vllm:external_prefix_cache_queries_total', 'counter', 'External prefix cache queries from KV connector cross-instance cache sharing, in terms of number of queried tokens.', one => one.loadQueries)
  family('vllm:external_prefix_cache_hits_total', 'counter', 'External prefix cache hits from KV connector cross-instance cache sharing, in terms of number of cached tokens.', one => one.loadHits)
  family('vllm:num_preemptions_total', 'counter', 'Cumulative number of preemption from the engine.', one => one.preemptions)
  family('vllm:prompt_tokens_total', 'counter', 'Number of prefill tokens processed.', one => one.promptTokens)
  page.push('# HELP vllm:prompt_tokens_by_source_total Number of prompt tokens by source.', '# TYPE vllm:prompt_tokens_by_source_total counter')
  stats.forEach(({ promptTokens, cachedPromptTokens, loadedPromptTokens }, rank) => {
    const sources = { local_compute: promptTokens - cachedPromptTokens - loadedPromptTokens, local_cache_hit: cachedPromptTokens, external_kv_transfer: loadedPromptTokens }
    for (const [source, tokens] of Object.entries(sources)) page.push(`vllm:prompt_tokens_by_source_total{${labels[rank] ?? ''},source="${source}"} ${tokens}`)
  })
  family('vllm:generation_tokens_total', 'counter', 'Number of generation tokens processed.', one => one.generationTokens)

  page.push('# HELP vllm:request_success_total Count of successfully processed requests.', '# TYPE vllm:request_success_total counter')
  stats.forEach(({ finished, loadFailures }, rank) => {
    // As in vLLM a client that leaves shows up nowhere here: `abort` stays 0.
    const counts = { stop: finished.stop, length: finished.length, abort: 0, error: loadFailures, repetition: 0 }
    for (const [reason, count] of Object.entries(counts)) page.push(`vllm:request_success_total{${labels[rank] ?? ''},finished_reason="${reason}"} ${count}`)
  })

  histogram('vllm:time_to_first_token_seconds', 'Histogram of time to first token in seconds.', serving.firstToken)
  histogram('vllm:inter_token_latency_seconds', 'Histogram of inter-token latency in seconds.', serving.interToken)

  page.push('# HELP vllm:cache_config_info Information of the LLMEngine CacheConfig', '# TYPE vllm:cache_config_info gauge')
  serving.engines.forEach((engine, rank) => page.push(cacheConfig(engine, rank)))
  page.push('# HELP vllm:lora_requests_info Running stats on lora requests.', '# TYPE vllm:lora_requests_info gauge')
  page.push(`vllm:lora_requests_info{max_lora="${serving.adapters.size}",running_lora_adapters="",waiting_lora_adapters=""} 1`)
  page.push('# HELP vllm_simulator_aborts_total Requests whose client left before the answer was complete.', '# TYPE vllm_simulator_aborts_total counter')
  page.push(`vllm_simulator_aborts_total ${aborts}`)
  if (serving.kv !== undefined) {
    family('simulator:kv_blocks_held', 'gauge', 'Blocks kept after a prefill until another worker has fetched them.', one => one.heldBlocks)
    family('simulator:kv_holds_released_total', 'counter', 'Prefills whose blocks were given back: fetched, or needed no longer.', one => one.holdsReleased)
    family('simulator:kv_holds_expired_total', 'counter', 'Prefills whose blocks nobody fetched in time.', one => one.holdsExpired)
    page.push(...transferLines(serving.kv))
  }
  return page.join('\n') + '\n'
}

function transferLines (kv: KvTransfers): string[] {
  return [
    '# HELP simulator:kv_transfers_total Attempts to have blocks from another worker, by what became of them.',
    '# TYPE simulator:kv_transfers_total counter',
    ...[...kv.results].map(([result, count]) => `simulator:kv_transfers_total{result="${result}"} ${count}`),
    '# HELP simulator:kv_blocks_unclaimed Prompts whose blocks were sent here and that no request has come for.',
    '# TYPE simulator:kv_blocks_unclaimed gauge',
    `simulator:kv_blocks_unclaimed ${kv.unclaimed}`,
    '# HELP simulator:kv_engine_deaths_total Requests that would have ended the life of a real engine.',
    '# TYPE simulator:kv_engine_deaths_total counter',
    `simulator:kv_engine_deaths_total ${kv.deaths}`
  ]
}

function cacheConfig (engine: Engine, rank: number): string {
  const { blockSize, kvBlocks } = engine.options
  return `vllm:cache_config_info{block_size="${blockSize}",cache_dtype="auto",enable_prefix_caching="True",engine="${rank}",num_gpu_blocks="${kvBlocks}"} 1`
}

function escape (label: string): string {
  return label.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
