// Two simulators as processes of their own hand blocks over, and one that is killed in between is missed.
import t from 'tap'
import type { Test } from 'tap'
import { until } from '../helpers/until.ts'
import { run } from '../server/binary.ts'
import type { Running } from '../server/binary.ts'
import { leg, legId, metric, nixlPrefill, textOf } from './legs.ts'
import { at, chat } from './worker.ts'

t.setTimeout(60_000)

async function simulator (t: Test, ...flags: string[]): Promise<Running & { url: string }> {
  const running = run(t, 'simulator', '--port', '0', '--inter-token-latency-ms', '1', ...flags)
  return Object.assign(running, { url: await until('a worker', () => /listening on (http:\S+)/.exec(running.stdout)?.[1], 20_000) })
}

t.test('NIXL', async t => {
  const prefill = await simulator(t, '--connector', 'nixl', '--role', 'prefill', '--kv-hold-timeout-ms', '60000')
  const decode = await simulator(t, '--connector', 'nixl', '--role', 'decode', '--kv-load-timeout-ms', '100', '--kv-transfer-ms-per-token', '0.1', '--exit-on-engine-death')
  async function params (content: string): Promise<unknown> {
    return at((await leg(prefill, legId(), chat(content, { max_tokens: 1, kv_transfer_params: nixlPrefill }))).body, 'kv_transfer_params')
  }
  const body = chat('a fox', { max_tokens: 12 })
  const answer = await leg(decode, legId(), { ...body, kv_transfer_params: await params('a fox') })
  t.equal(textOf(answer), textOf(await leg(prefill, 'plain', body)))
  t.ok(await metric(decode, 'vllm:external_prefix_cache_hits_total') > 0)
  await until('they are given back', async () => await metric(prefill, 'simulator:kv_blocks_held') === 0)

  const late = await params('a dog')
  prefill.child.kill('SIGKILL')
  await prefill.ended
  t.equal((await leg(decode, legId(), chat('a dog', { kv_transfer_params: late }))).status, 500)
  t.equal(await metric(decode, 'simulator:kv_transfers_total', 'result="unreachable"'), 1)

  t.equal((await leg(decode, legId(), chat('a cat', { kv_transfer_params: { do_remote_prefill: true } }))).status, 500)
  t.same(await decode.ended, [1, null], 'and it is dead, as vLLM would be')
})

t.test('flags that do not go together', async t => {
  const running = run(t, 'simulator', '--port', '0', '--role', 'prefill')
  t.same(await running.ended, [2, null])
  t.equal(running.stderr, 'error: role and register need a connector\n')
})
