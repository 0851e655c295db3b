// NIXL: a prefill's answer says where its blocks are, the decode fetches them from there, and whatever is wrong with that is found and counted.
import t from 'tap'
import type { Test } from 'tap'
import type { StartedSimulator, StartOptions } from '../../simulator/index.ts'
import { until } from '../helpers/until.ts'
import { heldBlocks, leg, legId, metric, nixlPrefill, results, streamedText, textOf } from './legs.ts'
import { at, chat, post, words, worker } from './worker.ts'

const long = words(133)

async function pair (t: Test, options: StartOptions = {}): Promise<{ prefill: StartedSimulator, decode: StartedSimulator }> {
  const both = { connector: 'nixl', kvLoadTimeoutMs: 100, ...options } as const
  return { prefill: await worker(t, { role: 'prefill', ...both }), decode: await worker(t, { role: 'decode', ...both }) }
}

async function prefilled (prefill: StartedSimulator, id: string, body: object, headers = {}): Promise<Record<string, unknown>> {
  const answer = await leg(prefill, id, { ...body, max_tokens: 1, kv_transfer_params: nixlPrefill }, { headers })
  return at(answer.body, 'kv_transfer_params') as Record<string, unknown>
}

t.test('both legs, and the answer is that of a plain run', async t => {
  const { prefill, decode } = await pair(t)
  const body = chat(long, { max_tokens: 12 })
  const id = legId()
  const first = await leg(prefill, id, { ...body, max_tokens: 1, max_completion_tokens: 1, kv_transfer_params: nixlPrefill })
  const tokens = at(first.body, 'usage.prompt_tokens') as number
  t.equal(at(first.body, 'usage.completion_tokens'), 1)
  const params = at(first.body, 'kv_transfer_params') as Record<string, unknown>
  const blocks = Math.ceil(tokens / 16)
  t.match(params, {
    do_remote_prefill: true,
    do_remote_decode: false,
    remote_block_ids: [Array.from({ length: blocks }, (_, at) => at + 1)],
    remote_engine_id: /^[0-9a-f-]{36}$/,
    remote_request_id: new RegExp(`^chatcmpl-${id}-[0-9a-f]{8}$`),
    remote_host: '127.0.0.1',
    remote_port: Number,
    tp_size: 1,
    dcp_size: 1,
    pp_size: 1,
    remote_num_tokens: tokens,
    remote_blocks_expiry_time: null,
    transfer_mode: 'pull',
    remote_prefill_cached_tokens: 0
  })
  t.equal(await metric(prefill, 'simulator:kv_blocks_held'), blocks)

  const second = await leg(decode, id, { ...body, kv_transfer_params: params })
  t.equal(textOf(second), textOf(await leg(prefill, 'plain', body)))
  t.match(at(second.body, 'usage'), { prompt_tokens: tokens, completion_tokens: 12, prompt_tokens_details: { cached_tokens: 0 } })
  t.equal(at(second.body, 'kv_transfer_params'), null)
  await until('the prefill gives its blocks back', () => heldBlocks(prefill) === 0)
  t.same(results(decode), { ok: 1 })
  t.same(results(prefill), {})
  t.equal(await metric(decode, 'vllm:prompt_tokens_by_source_total', 'source="external_kv_transfer"'), tokens)
  t.equal(await metric(decode, 'vllm:prompt_tokens_by_source_total', 'source="local_compute"'), 0)
  t.equal(await metric(decode, 'vllm:external_prefix_cache_hits_total'), tokens)
  t.equal(await metric(decode, 'simulator:kv_transfers_total', 'result="ok"'), 1)
  t.equal(await metric(prefill, 'simulator:kv_holds_released_total'), 1)

  // the same prompt again: the prefill has it cached and says so, and the decode's usage shows that
  const again = await prefilled(prefill, legId(), body)
  t.equal(again['remote_prefill_cached_tokens'], tokens - tokens % 16)
  const third = await leg(decode, legId(), { ...body, stream: true, kv_transfer_params: again })
  t.equal(streamedText(third), textOf(second))
  t.match(decode.app.simulator.kv?.records.at(-1), { leg: 'decode', result: 'ok', remote: `http://127.0.0.1:${prefill.app.simulator.kv?.kvPort}` })
})

t.test('every route that generates', async t => {
  const { prefill, decode } = await pair(t)
  for (const [path, body, text] of [
    ['/v1/completions', { prompt: long, max_tokens: 5 }, 'choices.0.text'],
    ['/v1/responses', { input: long, max_output_tokens: 5 }, 'output.0.content.0.text'],
    ['/inference/v1/generate', { token_ids: [1, 2, 3], sampling_params: { max_tokens: 5 } }, 'choices.0.token_ids']
  ] as const) {
    const id = legId()
    const short = 'sampling_params' in body ? { sampling_params: { max_tokens: 1 } } : 'input' in body ? { max_output_tokens: 1 } : { max_tokens: 1 }
    const first = await leg(prefill, id, { ...body, ...short, kv_transfer_params: nixlPrefill }, { path })
    const second = await leg(decode, id, { ...body, kv_transfer_params: at(first.body, 'kv_transfer_params') }, { path })
    const plain = await leg(await worker(t), id, body, { path })
    t.same(at(second.body, text), at(plain.body, text), path)
    t.ok(at(plain.body, text))
  }
  t.same(results(decode), { ok: 3 })
  await until('nothing is held', () => heldBlocks(prefill) === 0)
})

t.test('a streamed prefill shows nothing, and its blocks are lost until they expire', async t => {
  const { prefill, decode } = await pair(t, { kvHoldTimeoutMs: 300 })
  const answer = await leg(prefill, legId(), chat(long, { max_tokens: 1, stream: true, kv_transfer_params: nixlPrefill }))
  t.notMatch(answer.body, 'remote_engine_id')
  t.ok(heldBlocks(prefill) > 0)
  const params = await prefilled(prefill, legId(), chat('other'))
  await until('both are given up', async () => await metric(prefill, 'simulator:kv_holds_expired_total') === 2)
  t.equal(heldBlocks(prefill), 0)
  t.equal((await leg(decode, legId(), chat('other', { kv_transfer_params: params }))).status, 500)
  t.same(results(decode), { stale: 1 })
})

t.test('parameters of another prompt, used twice, of a worker that was restarted or is gone', async t => {
  const { prefill, decode } = await pair(t)
  const { port, kvPort } = { port: Number(new URL(prefill.url).port), kvPort: prefill.app.simulator.kv?.kvPort ?? 0 }
  const patient = await worker(t, { connector: 'nixl', role: 'decode', kvLoadTimeoutMs: 100, kvLoadFailurePolicy: 'recompute' })
  const params = await prefilled(prefill, legId(), chat('one'))
  const wrong = await leg(decode, legId(), chat('two', { kv_transfer_params: params }))
  t.equal(wrong.status, 500)
  t.match(wrong.body, { error: { message: 'Internal server error', type: 'InternalServerError', code: 500 } })
  t.ok(wrong.milliseconds >= 95, 'after a while')
  t.same(results(decode), { foreign: 1 })
  t.ok(heldBlocks(prefill) > 0, 'they stay where they are')
  t.equal(await metric(decode, 'vllm:request_success_total', 'finished_reason="error"'), 1)

  t.equal((await leg(decode, legId(), chat('one', { kv_transfer_params: params }))).status, 200)
  await until('they are given back', () => heldBlocks(prefill) === 0)
  t.equal((await leg(decode, legId(), chat('one', { kv_transfer_params: params }))).status, 200, 'the second time, too, as with vLLM')
  t.same(results(decode), { foreign: 1, ok: 1, repeated: 1 })

  const late = await prefilled(prefill, legId(), chat('one'))
  await prefill.close()
  for (const [one, status] of [[decode, 500], [patient, 200]] as const) {
    const answer = await leg(one, legId(), chat('one', { kv_transfer_params: late }))
    t.equal(answer.status, status)
    t.ok(answer.milliseconds >= 95)
    t.equal(results(one)['unreachable'], 1)
  }
  const streamed = await leg(decode, legId(), chat('one', { stream: true, kv_transfer_params: late }))
  t.equal(streamed.status, 200)
  t.match(streamed.body, /^data: \{"error":\{"message":"Internal server error".*\}\n\ndata: \[DONE\]\n\n$/)

  await worker(t, { port, kvPort, connector: 'nixl', role: 'prefill' })
  t.equal((await leg(decode, legId(), chat('one', { kv_transfer_params: late }))).status, 500)
  t.equal(results(decode)['stale'], 1)
})

t.test('a prefill worker that is down answers nobody', async t => {
  const { prefill, decode } = await pair(t)
  const params = await prefilled(prefill, legId(), chat('one'))
  await prefill.app.simulator.failures.set({ mode: 'refuse' })
  t.equal((await leg(decode, legId(), chat('one', { kv_transfer_params: params }))).status, 500)
  t.same(results(decode), { unreachable: 1 })
})

t.test('a decode worker that is told nothing says so; a leg at the wrong worker, too', async t => {
  const { prefill, decode } = await pair(t)
  t.equal((await leg(decode, legId(), chat('one'))).status, 200)
  t.equal((await leg(prefill, legId(), chat('one'))).status, 200)
  const params = await prefilled(decode, legId(), chat('one'))
  await leg(prefill, legId(), chat('one', { kv_transfer_params: params }))
  t.same(results(decode), { missing: 1, wrong_role: 1 })
  t.same(results(prefill), { wrong_role: 1, ok: 1 })

  const plain = await worker(t)
  t.equal((await leg(plain, legId(), chat('one', { kv_transfer_params: { do_remote_prefill: true } }))).status, 200, 'without a connector nothing of it means anything')
  t.equal(plain.app.simulator.kv, undefined)
  t.notMatch(await (await fetch(`${plain.url}/metrics`)).text(), 'simulator:kv')
})

t.test('what would end a real engine', async t => {
  let deaths = 0
  const { decode } = await pair(t, { onEngineDeath: () => { deaths++ } })
  for (const params of [{ do_remote_prefill: true }, { do_remote_prefill: true, remote_block_ids: [] }, { do_remote_prefill: true, remote_block_ids: null }]) {
    for (const stream of [false, true]) t.equal((await leg(decode, legId(), chat('one', { stream, kv_transfer_params: params }))).status, 500)
  }
  t.equal(deaths, 6)
  const leaving = new AbortController()
  const hanging = leg(decode, legId(), chat('one', { kv_transfer_params: { do_remote_prefill: true, remote_block_ids: [[1]] } }), { signal: leaving.signal })
  await until('it hangs', () => decode.app.simulator.kv?.results.get('missing') === 7)
  t.equal(deaths, 6)
  leaving.abort()
  await t.rejects(hanging)
  await until('it dies', () => deaths === 7)
  t.equal(await metric(decode, 'simulator:kv_engine_deaths_total'), 7)
})

t.test('a client that leaves while blocks are on their way frees them on both sides', async t => {
  const { prefill } = await pair(t)
  const slow = await worker(t, { connector: 'nixl', role: 'decode', kvTransferMsPerToken: 100 })
  const params = await prefilled(prefill, legId(), chat(long))
  const leaving = new AbortController()
  const going = post(`${slow.url}/v1/chat/completions`, chat(long, { kv_transfer_params: params }), {}, leaving.signal)
  await until('it loads', () => results(slow)['ok'] === 1)
  t.ok(heldBlocks(prefill) > 0)
  t.ok(await metric(slow, 'vllm:kv_cache_usage_perc') > 0)
  leaving.abort()
  await t.rejects(going)
  await until('all is free', async () => heldBlocks(prefill) === 0 && await metric(slow, 'vllm:kv_cache_usage_perc') === 0)
})

t.test('push: both legs at the same time, whoever comes first', async t => {
  const { prefill, decode } = await pair(t, { kvTransferMode: 'push', kvLoadTimeoutMs: 2000 })
  const first = await prefilled(prefill, 'first', chat('hello'))
  t.equal(first['transfer_mode'], 'push')
  t.equal((await leg(decode, 'first', chat('hello', { kv_transfer_params: first }))).status, 200, 'one after the other works, too')
  const { remote_engine_id: engine, remote_host: host, remote_port: port, tp_size: tp } = first
  const body = chat(long, { max_tokens: 6 })
  for (const order of ['decode first', 'prefill first']) {
    const id = legId()
    const params = { do_remote_prefill: true, do_remote_decode: false, remote_engine_id: engine, remote_host: host, remote_port: port, tp_size: tp, remote_request_id: id }
    const legs = [() => leg(decode, id, { ...body, kv_transfer_params: params }), () => prefilled(prefill, id, body)]
    if (order === 'prefill first') legs.reverse()
    const answers = await Promise.all(legs.map(async (start, at) => {
      await new Promise(resolve => setTimeout(resolve, at * 30))
      return await start()
    }))
    t.ok(answers.some(answer => 'status' in answer && answer['status'] === 200), order)
  }
  t.same(results(decode), { ok: 3 })
  await until('all is free', () => heldBlocks(prefill) === 0)
  t.equal((await leg(decode, legId(), chat('x', { kv_transfer_params: { do_remote_prefill: true, remote_engine_id: engine } }))).status, 500, 'without an address it dies')

  const impatient = await worker(t, { connector: 'nixl', role: 'decode', kvTransferMode: 'push', kvLoadTimeoutMs: 100 })
  const vain = chat('x', { kv_transfer_params: { do_remote_prefill: true, remote_engine_id: engine, remote_host: host, remote_port: port, tp_size: 1, remote_request_id: 'nobody' } })
  const leaving = new AbortController()
  const gone = leg(impatient, legId(), vain, { signal: leaving.signal })
  await until('it waits', () => impatient.app.simulator.engines[0]?.load === 1)
  leaving.abort()
  await t.rejects(gone)
  t.equal((await leg(impatient, legId(), vain)).status, 500, 'a prefill that never comes')
  t.same(results(impatient), { timeout: 1 }, 'who leaves is not counted')
})

t.test('each rank is an engine of its own, and the right one is asked', async t => {
  const { prefill, decode } = await pair(t, { ranks: 3 })
  const { engine_ids: ids } = await (await fetch(`${prefill.url}/_simulator/kv`)).json() as { engine_ids: string[] }
  t.equal(new Set(ids).size, 3)
  for (const [from, to] of [[2, 0], [0, 1], [1, 2], [2, 2]] as const) {
    const params = await prefilled(prefill, legId(), chat(`from ${from}`), { 'x-data-parallel-rank': String(from) })
    t.equal(params['remote_engine_id'], ids[from])
    t.equal(prefill.app.simulator.engines[from]?.stats().heldBlocks, Math.ceil(params['remote_num_tokens'] as number / 16))
    await leg(decode, legId(), chat(`from ${from}`, { kv_transfer_params: params }), { headers: { 'x-data-parallel-rank': String(to) } })
    t.match(decode.app.simulator.kv?.records.at(-1), { rank: to, result: 'ok' })
    t.match(prefill.app.simulator.kv?.records.at(-1), { rank: from, result: 'kept' })
    // another rank's id with this one's request
    await leg(decode, legId(), chat(`from ${from}`, { kv_transfer_params: { ...params, remote_engine_id: ids[(from + 1) % 3] } }))
  }
  t.same(results(decode), { ok: 4, wrong_rank: 4 })
})

t.test('a prompt that is cut to fit leaves the decode less of it', async t => {
  const { prefill, decode } = await pair(t, { maxModelLen: 2000 })
  const body = chat(words(3000), { max_tokens: 500 })
  const params = await prefilled(prefill, legId(), body)
  t.equal((await leg(decode, legId(), { ...body, kv_transfer_params: params })).status, 200)
  t.same(results(decode), { ok: 1 })
})
