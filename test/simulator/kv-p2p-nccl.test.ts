// P2pNccl: the request id says whom the prefill sends its blocks to and whom the decode has them from; without it an engine dies.
import t from 'tap'
import type { Test } from 'tap'
import type { StartedSimulator, StartOptions } from '../../simulator/index.ts'
import { until } from '../helpers/until.ts'
import { heldBlocks, leg, legId, metric, results, textOf } from './legs.ts'
import { chat, words, worker } from './worker.ts'

const addressOf = (one: StartedSimulator): string => `127.0.0.1:${one.app.simulator.kv?.kvPort}`

async function pair (t: Test, ofPrefill: StartOptions = {}, ofDecode: StartOptions = {}): Promise<{ prefill: StartedSimulator, decode: StartedSimulator, id: () => string }> {
  const prefill = await worker(t, { connector: 'p2p-nccl', role: 'prefill', ...ofPrefill })
  const decode = await worker(t, { connector: 'p2p-nccl', role: 'decode', ...ofDecode })
  return { prefill, decode, id: () => legId(addressOf(prefill), addressOf(decode)) }
}

t.test('blocks are sent to whom the id names', async t => {
  const { prefill, decode, id } = await pair(t)
  const body = chat(words(100), { max_tokens: 8, kv_transfer_params: { do_remote_prefill: true } })
  for (const order of ['one after the other', 'both at once']) {
    const name = id()
    const first = leg(prefill, name, { ...body, max_tokens: 1 })
    if (order === 'one after the other') {
      t.equal((await first).status, 200)
      await until('they lie there', async () => await metric(decode, 'simulator:kv_blocks_unclaimed') === 1)
    }
    const second = await leg(decode, name, body)
    t.equal(textOf(second), textOf(await leg(await worker(t), 'plain', body)), order)
  }
  t.same(results(decode), { ok: 2 })
  t.equal(await metric(decode, 'vllm:external_prefix_cache_hits_total') > 100, true)
  await until('nothing is kept', async () => heldBlocks(prefill) === 0 && await metric(decode, 'simulator:kv_blocks_unclaimed') === 0)
  t.match(prefill.app.simulator.kv?.records.at(-1), { leg: 'prefill', result: 'sent', remote: addressOf(decode) })
})

t.test('blocks that never come, come from another, or are of another prompt', async t => {
  const { prefill, decode, id } = await pair(t, {}, { kvLoadTimeoutMs: 100 })
  const stranger = await worker(t, { connector: 'p2p-nccl', role: 'prefill' })
  t.equal((await leg(decode, id(), chat('alone'))).status, 500)
  t.same(results(decode), { timeout: 1 })
  for (const [sender, content] of [[stranger, 'one'], [prefill, 'two']] as const) {
    const name = id()
    await leg(sender, name, chat(content, { max_tokens: 1 }))
    await until('they lie there', async () => await metric(decode, 'simulator:kv_blocks_unclaimed') === 1)
    t.equal((await leg(decode, name, chat('one'))).status, 500)
  }
  t.same(results(decode), { timeout: 1, foreign: 2 })
})

t.test('a decode worker that is gone', async t => {
  const { prefill, decode, id } = await pair(t, { kvLoadTimeoutMs: 100 })
  const name = id()
  await decode.close()
  t.equal((await leg(prefill, name, chat('one', { max_tokens: 1 }))).status, 200)
  await until('it gives up', () => results(prefill)['unreachable'] === 1)
  t.equal(heldBlocks(prefill), 0)
})

t.test('an id without addresses ends an engine', async t => {
  const { prefill, decode } = await pair(t)
  for (const one of [prefill, decode]) {
    for (const name of ['plain', '___prefill_addr_x___decode_addr_y_', `___decode_addr_${one === prefill ? 'a' : 'a:1'}_`]) t.equal((await leg(one, name, chat('one'))).status, 500, name)
    t.equal(await metric(one, 'simulator:kv_engine_deaths_total'), 3)
  }
})

t.test('what goes together', async t => {
  for (const options of [
    { connector: 'p2p-nccl' }, { connector: 'moriio', role: 'both' }, { role: 'prefill' }, { register: '127.0.0.1:1' }, { connector: 'nixl', register: '127.0.0.1:1' }, { connector: 'p2p-nccl', role: 'decode', register: 'nonsense' },
    { connector: 'mooncake', kvTransferMode: 'push' }, { connector: 'p2p-nccl', role: 'prefill', kvTransferMode: 'push' }, { connector: 'nixl', tpSize: 0 }, { connector: 'nixl', kvHoldTimeoutMs: -1 }
  ] as const) await t.rejects(worker(t, options), RangeError, JSON.stringify(options))
})
