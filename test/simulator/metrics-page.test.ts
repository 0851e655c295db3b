// The metrics page has vLLM's names, labels and values, and is well-formed.
import t from 'tap'
import { post, words, worker } from './worker.ts'

t.test('after two equal requests', async t => {
  const { url } = await worker(t, { model: 'a "b"' })
  for (let call = 0; call < 2; call++) await (await post(`${url}/v1/completions`, { prompt: words(40), max_tokens: 5 })).text()
  const response = await fetch(`${url}/metrics`)
  t.match(response.headers.get('content-type'), /^text\/plain; version=/)
  const page = await response.text()
  t.ok(page.split('\n').slice(0, -1).every(line => /^(# (HELP|TYPE) \S+ .+|[a-z_:]+(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? [0-9.e+-]+)$/.test(line)), 'every line is a comment or a sample')
  const value = (name: string, more = ''): number => {
    const line = page.split('\n').find(one => one.startsWith(`${name}{engine="0",model_name="a \\"b\\""${more}} `))
    return Number(line?.slice(line.lastIndexOf(' ')) ?? NaN)
  }
  t.equal(value('vllm:num_requests_running'), 0)
  t.equal(value('vllm:num_requests_waiting'), 0)
  t.equal(value('vllm:kv_cache_usage_perc'), 0)
  t.equal(value('vllm:prefix_cache_queries_total'), 80)
  t.equal(value('vllm:prefix_cache_hits_total'), 32)
  t.equal(value('vllm:prompt_tokens_total'), 80)
  t.equal(value('vllm:generation_tokens_total'), 10)
  t.equal(value('vllm:request_success_total', ',finished_reason="length"'), 2)
  t.equal(value('vllm:request_success_total', ',finished_reason="stop"'), 0)
  t.equal(value('vllm:time_to_first_token_seconds_count'), 2)
  t.equal(value('vllm:time_to_first_token_seconds_bucket', ',le="+Inf"'), 2)
  t.equal(value('vllm:inter_token_latency_seconds_count'), 8)
  t.ok(value('vllm:inter_token_latency_seconds_sum') > 0.004)
  t.match(page, /^vllm:cache_config_info\{block_size="16",.*num_gpu_blocks="8192"\} 1$/m)
})
