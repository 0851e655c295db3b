// Every metric of the router is explained, has the type it should have, and moves when what it counts happens.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode } from '@msgpack/msgpack'
import t from 'tap'
import { Dealer } from 'zeromq'
import { P2pNcclSource } from '../../discovery/p2p-nccl.ts'
import type { DiscoverySource } from '../../router.ts'
import { chat, post, sendRaw } from '../helpers/client.ts'
import { startPools } from '../helpers/pools.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import type { Samples } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'
import { startValidator, status } from '../helpers/validator.ts'

const text = Array.from({ length: 400 }, (_, i) => `word${i}`).join(' ')

/** Every metric, its type, and what it says after the traffic below: eight requests that ended, one under way, one that waits, and one choice more. */
const expected: ReadonlyArray<[name: string, type: string, moved: (samples: Samples) => boolean]> = [
  ['requests_total', 'counter', s => s.sum('requests_total') === 8 && s.sum('requests_total', { route: '/v1/chat/completions' }) === 5],
  ['request_errors_total', 'counter', s => s.sum('request_errors_total') === 4],
  ['request_duration_seconds', 'histogram', s => s.sum('request_duration_seconds_count') === 8 && s.sum('request_duration_seconds_sum') > 0],
  ['generate_duration_seconds', 'histogram', s => s.sum('generate_duration_seconds_count') === 7],
  ['time_to_first_token_seconds', 'histogram', s => s.sum('time_to_first_token_seconds_count') === 3],
  ['inter_token_latency_seconds', 'histogram', s => s.sum('inter_token_latency_seconds_count') >= 4],
  ['overhead_seconds', 'histogram', s => s.sum('overhead_seconds_count') === 7 && s.sum('overhead_seconds_sum') > 0 && s.sum('overhead_seconds_sum') < 1],
  ['prompt_tokens_total', 'counter', s => s.sum('prompt_tokens_total') > 800],
  ['cached_tokens_total', 'counter', s => s.sum('cached_tokens_total') > 300],
  ['completion_tokens_total', 'counter', s => s.sum('completion_tokens_total') === 15],
  ['policy_decisions_total', 'counter', s => s.sum('policy_decisions_total') === 10 && s.sum('policy_decisions_total', { policy: 'cache_aware', reason: 'prefix_miss' }) >= 1],
  ['cache_hits_total', 'counter', s => s.sum('cache_hits_total') >= 1 && s.sum('cache_hits_total') === s.sum('policy_decisions_total', { reason: 'prefix_hit' })],
  ['cache_misses_total', 'counter', s => s.sum('cache_misses_total') >= 1 && s.sum('cache_misses_total') === s.sum('policy_decisions_total', { reason: 'prefix_miss' })],
  ['load_balancing_events_total', 'counter', s => s.sum('load_balancing_events_total') === 1 && s.sum('policy_decisions_total', { reason: 'imbalance' }) === 1],
  ['processed_requests_total', 'counter', s => s.sum('processed_requests_total') === 10],
  ['stream_errors_total', 'counter', s => s.sum('stream_errors_total') === 1],
  ['embeddings_total', 'counter', s => s.sum('embeddings_total') === 2],
  ['embeddings_errors_total', 'counter', s => s.sum('embeddings_errors_total', { error_type: 'backend_error' }) === 1],
  ['embeddings_duration_seconds', 'histogram', s => s.sum('embeddings_duration_seconds_count') === 2],
  ['retries_total', 'counter', s => s.sum('retries_total') === 1 && s.sum('retries_total', { route: '/tokenize' }) === 1],
  ['retries_exhausted_total', 'counter', s => s.sum('retries_exhausted_total') === 1 && s.sum('retries_exhausted_total', { route: '/tokenize' }) === 1],
  ['retry_backoff_duration_seconds', 'histogram', s => s.sum('retry_backoff_duration_seconds_count', { attempt: '1' }) === 1 && s.sum('retry_backoff_duration_seconds_sum') > 0],
  ['discovery_updates_total', 'counter', s => s.sum('discovery_updates_total', { source: 'static' }) === 2],
  ['discovery_registrations_total', 'counter', s => s.sum('discovery_registrations_total', { source: 'zmq', result: 'added' }) === 1],
  ['discovery_registrations_refused_total', 'counter', s => s.sum('discovery_registrations_refused_total', { source: 'zmq', reason: 'malformed' }) === 1],
  ['discovery_registered_workers', 'gauge', s => s.sum('discovery_registered_workers', { source: 'zmq', role: 'prefill' }) === 1],
  ['cb_state', 'gauge', s => s.sum('cb_state') === 2],
  ['cb_state_transitions_total', 'counter', s => s.sum('cb_state_transitions_total', { from: 'closed', to: 'open' }) === 1 && s.sum('cb_state_transitions_total', { from: 'open', to: 'half_open' }) === 1],
  ['cb_outcomes_total', 'counter', s => s.sum('cb_outcomes_total', { outcome: 'success' }) === 4 && s.sum('cb_outcomes_total', { outcome: 'failure' }) === 13 && s.sum('cb_outcomes_total', { outcome: 'neither' }) === 1],
  ['recorded_requests_total', 'counter', s => s.sum('recorded_requests_total', { result: 'written' }) === 6 && s.sum('recorded_requests_total', { result: 'slow' }) === 0],
  ['worker_weight', 'gauge', s => s.sum('worker_weight') === 2.5],
  ['queue_wait_seconds', 'histogram', s => s.sum('queue_wait_seconds_count') === 1 && s.sum('queue_wait_seconds_sum') > 0],
  ['queue_rejections_total', 'counter', s => s.sum('queue_rejections_total', { reason: 'timeout' }) === 1],
  ['queue_depth', 'gauge', s => s.sum('queue_depth') === 1],
  ['in_flight_requests', 'gauge', s => s.sum('in_flight_requests') === 1],
  ['active_workers', 'gauge', s => s.sum('active_workers') === 2],
  ['min_load', 'gauge', s => s.sum('min_load') === 0],
  ['max_load', 'gauge', s => s.sum('max_load') === 1],
  ['worker_health', 'gauge', s => s.sum('worker_health') === 2],
  ['running_requests', 'gauge', s => s.sum('running_requests') === 1],
  ['worker_load', 'gauge', s => s.sum('worker_load') === 1],
  ['tree_size', 'gauge', s => s.sum('tree_size') > 1],
  ['auth_decisions_total', 'counter', s => s.sum('auth_decisions_total', { outcome: 'valid', via: 'hook' }) >= 8 && s.sum('auth_decisions_total', { outcome: 'valid', via: 'validation' }) === 2 && s.sum('auth_decisions_total', { outcome: 'missing', via: 'none' }) === 1 && s.sum('auth_decisions_total', { outcome: 'unavailable' }) === 1],
  ['auth_grace_total', 'counter', s => s.sum('auth_grace_total') === 1],
  ['auth_validation_duration_seconds', 'histogram', s => s.sum('auth_validation_duration_seconds_count', { answer: 'valid' }) === 1 && s.sum('auth_validation_duration_seconds_count', { answer: 'failed' }) === 2],
  ['auth_cache_entries', 'gauge', s => s.sum('auth_cache_entries', { finding: 'valid' }) === 1 && s.sum('auth_cache_entries', { finding: 'invalid' }) === 0],
  ['caller_requests_total', 'counter', s => s.sum('caller_requests_total') === 8 && s.sum('caller_requests_total', { caller: 'tester' }) === 8],
  ['caller_tokens_total', 'counter', s => s.sum('caller_tokens_total') > 800 && s.sum('caller_tokens_total', { caller: 'tester', kind: 'completion' }) === s.sum('completion_tokens_total') && s.sum('caller_tokens_total', { kind: 'prompt' }) === s.sum('prompt_tokens_total')],
  ['discovery_source_ok', 'gauge', s => s.sum('discovery_source_ok', { source: 'static' }) === 1 && s.sum('discovery_source_ok', { source: 'other' }) === 0],
  ['discovery_stale_seconds', 'gauge', s => s.sum('discovery_stale_seconds') === 7 && s.sum('discovery_stale_seconds', { source: 'other' }) === 7],
  ['discovery_relists_total', 'counter', s => s.sum('discovery_relists_total', { source: 'other', reason: 'resync' }) === 2],
  ['discovery_watch_restarts_total', 'counter', s => s.sum('discovery_watch_restarts_total', { source: 'other', reason: 'silent' }) === 1]
]

/** Those of split requests, after the traffic of their own. */
const ofSplit: ReadonlyArray<[name: string, type: string, moved: (samples: Samples) => boolean]> = [
  ['pd_requests_total', 'counter', s => s.sum('pd_requests_total', { route: '/v1/completions' }) === 6],
  ['pd_request_duration_seconds', 'histogram', s => s.sum('pd_request_duration_seconds_count', { route: '/v1/completions' }) === 5],
  ['pd_prefill_decisions_total', 'counter', s => ['split', 'unsplittable', 'prefill_failed'].map(reason => s.sum('pd_prefill_decisions_total', { reason })).join() === '5,1,1'],
  ['pd_errors_total', 'counter', s => s.sum('pd_errors_total', { error_type: 'prefill_failed' }) === 1 && s.sum('pd_errors_total', { error_type: 'missing_transfer_params' }) === 1],
  ['pd_prefill_duration_seconds', 'histogram', s => s.sum('pd_prefill_duration_seconds_count') === 4],
  ['pd_prefill_requests_total', 'counter', s => s.sum('pd_prefill_requests_total') === 4],
  ['pd_prefill_errors_total', 'counter', s => s.sum('pd_prefill_errors_total') === 1],
  ['pd_decode_requests_total', 'counter', s => s.sum('pd_decode_requests_total') === 3],
  ['pd_decode_errors_total', 'counter', s => s.sum('pd_decode_errors_total') === 1],
  ['pd_leaked_prefills_total', 'counter', s => s.sum('pd_leaked_prefills_total') === 1],
  ['pd_body_over_limit_total', 'counter', s => s.sum('pd_body_over_limit_total', { stage: 'decode' }) === 1]
]

/** A source that grows old when it is told to. */
function otherSource (): DiscoverySource & { old: boolean } {
  const source = {
    name: 'other',
    old: false,
    start: async () => {},
    stop: async () => {},
    health: () => ({ ok: false, detail: '', staleSecs: source.old ? 7 : 0 }),
    counts: () => ({ relists: new Map(source.old ? [['resync', 2]] : []), watchRestarts: new Map(source.old ? [['silent', 1]] : []) })
  }
  return source
}

t.test('every metric', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'recorded-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const workers = await startWorkers(t, 2, { interTokenLatencyMs: 2 })
  const validator = await startValidator(t)
  const other = otherSource()
  const { url, port, router } = await startRouter(t, {
    sources: [other],
    workerUrls: workers.map(worker => worker.url),
    balanceAbsThreshold: 0,
    balanceRelThreshold: 1,
    retryMaxRetries: 2,
    retryInitialBackoffMs: 1,
    cbTimeoutDurationSecs: 0.001,
    authenticate: ({ headers }) => headers['x-nobody'] === undefined ? { name: 'tester' } : null,
    apiKeyValidationUrls: [validator.url],
    authCacheTtlSecs: 0,
    vllmDiscoveryAddress: '127.0.0.1:0',
    recordTrace: join(folder, 'trace.jsonl')
  })
  const before = await samplesOf(router)
  const quiet = expected.filter(([name]) => ['min_load', 'discovery_updates_total', 'active_workers', 'worker_health', 'discovery_source_ok'].includes(name))
  for (const [name, , moved] of expected) {
    if (!quiet.some(([other]) => other === name)) t.notOk(moved(before), `${name} has not moved without traffic`)
  }

  await (await post(url + '/v1/chat/completions', chat(text))).text()
  await (await post(url + '/v1/chat/completions', chat(text))).text()
  await (await post(url + '/v1/chat/completions', chat(text + ' else', { stream: true, stream_options: { include_usage: true } }))).text()
  await (await post(url + '/v1/embeddings', { model: 'simulated', input: 'a' })).text()
  await (await post(url + '/v1/embeddings', { model: 'unknown to all', input: 'a' })).text()
  for (const worker of workers) await worker.app.simulator.failures.set({ mode: 'reset_stream', count: 1 })
  await (await post(url + '/v1/chat/completions', chat('breaks', { stream: true, max_tokens: 20 }))).text()
  for (const worker of workers) await worker.app.simulator.failures.clear()
  for (const worker of workers) await worker.app.simulator.failures.set({ mode: 'status', status: 500, count: 1 })
  await (await post(url + '/tokenize', { prompt: 'a' })).text()
  await until('the broken one is settled', () => router.workers.list().every(worker => worker.inFlight === 0))

  // one that stays keeps its worker busy, so that loads are uneven for the next
  const socket = await sendRaw(port, '/v1/chat/completions', chat('stays', { stream: true, max_tokens: 30_000 }))
  t.teardown(() => socket.destroy())
  await until('the long one has its first byte', async () => (await samplesOf(router)).sum('time_to_first_token_seconds_count') === 3)
  // no place for others: one waits too long, one waits still
  router.admission.configure({ maxConcurrentRequests: 1, queueTimeoutSecs: 0.02 })
  t.equal((await post(url + '/v1/chat/completions', chat('late'))).status, 408)
  router.admission.configure({ queueTimeoutSecs: 60 })
  const waiting = await sendRaw(port, '/v1/chat/completions', chat('waits'))
  t.teardown(() => waiting.destroy())
  await until('it waits', () => router.admission.waiting === 1)
  const routing = { model: undefined, header: () => undefined, session: undefined, opening: undefined, prefix: { hashes: [1], ends: [256], length: 256 } }
  const busy = router.workers.list().find(worker => worker.inFlight === 1)
  if (busy === undefined) throw new Error('nobody is busy')
  router.balancer.policy.dispatched?.(busy, routing)
  const uneven = router.balancer.assign('regular', routing)
  uneven?.finish({ ok: true, firstByteMs: 1, durationMs: 1, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined })
  t.equal(uneven?.decision.reason, 'imbalance')

  // workers announce themselves, one of them badly
  const announced = new Dealer({ linger: 0 })
  t.teardown(() => announced.close())
  announced.connect(`tcp://${router.discovery.find(source => source instanceof P2pNcclSource)?.endpoint}`)
  await announced.send(encode({ type: 'X' }))
  await announced.send(encode({ type: 'P', http_address: '127.0.0.1:9', zmq_address: '127.0.0.1:10' }))
  await until('it is known', () => router.workers.get('http://127.0.0.1:9'))

  // its circuit opens, and is half open a millisecond later: the worker is a candidate again
  if (uneven === undefined) throw new Error('no assignment')
  for (let i = 0; i < 10; i++) router.breakers.end(uneven, 'failure')
  await until('it is half open', () => router.breakers.stateOf(uneven.worker) === 'half_open')

  // three callers: one known by a validator, and again while that is in trouble; one nobody can tell about; one without a token
  const ask = async (token: string | undefined): Promise<number> => (await fetch(url + '/list_workers', { headers: { 'x-nobody': '1', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) } })).status
  t.equal(await ask('good'), 200)
  validator.answer = status(500)
  t.same([await ask('good'), await ask('new'), await ask(undefined)], [200, 503, 401])

  uneven.worker.weight = 0.5
  other.old = true
  const after = await samplesOf(router)
  for (const [name, type, moved] of expected) {
    t.ok(after.help.has(`vllm_router_${name}`), `${name} is explained`)
    t.equal(after.type.get(`vllm_router_${name}`), type, `${name} is a ${type}`)
    t.ok(moved(after), `${name} moved`)
  }
  const told = [...after.type.keys()].filter(name => name.startsWith('vllm_router_'))
  t.same(told.sort(), [...expected, ...ofSplit].map(([name]) => `vllm_router_${name}`).sort(), 'and there is no other')
})

t.test('every metric of split requests', async t => {
  const { url, router, prefill: [prefill], decode: [decode] } = await startPools(t, { prefills: 1, decodes: 1, disableRetries: true, disableCircuitBreaker: true, prefillPolicy: 'random' })
  if (prefill === undefined || decode === undefined) throw new Error('no workers')
  const before = await samplesOf(router)
  for (const [name, , moved] of ofSplit) t.notOk(moved(before), `${name} has not moved without traffic`)
  const [first, second] = [prefill.answer, decode.answer]
  const ask = async (prompt: unknown = 'a', stream = false): Promise<void> => { await (await post(url + '/v1/completions', { prompt, stream })).text() }
  await ask()
  await ask(['a', 'b'])
  decode.answer = (_request, response) => { response.setHeader('content-type', 'application/json').end(`{"text":"${'x'.repeat(9 * 1024 * 1024)}"}`) }
  await ask()
  decode.answer = (_request, response) => { response.writeHead(400).end() }
  await ask()
  decode.answer = second
  prefill.answer = (_request, response) => { response.setHeader('content-type', 'application/json').end('{"kv_transfer_params":null}') }
  await ask('a', true)
  prefill.answer = (_request, response) => { response.writeHead(500).end() }
  await ask()
  prefill.answer = first
  await until('all is settled', () => router.workers.list().every(worker => worker.inFlight === 0))
  const after = await samplesOf(router)
  for (const [name, type, moved] of ofSplit) {
    t.ok(after.help.has(`vllm_router_${name}`), `${name} is explained`)
    t.equal(after.type.get(`vllm_router_${name}`), type, `${name} is a ${type}`)
    t.ok(moved(after), `${name} moved`)
  }
  t.equal(after.sum('prompt_tokens_total'), 5 * 40, 'prompts are counted once, where they were computed')
  t.equal(after.sum('time_to_first_token_seconds_count'), 1)
  t.equal(after.sum('generate_duration_seconds_count'), 6, 'and requests once')
  router.workers.apply('static', [])
  t.same((await samplesOf(router)).series.filter(series => /^vllm_router_pd_.*worker=/.test(series)), [], 'series go with their workers')
})
