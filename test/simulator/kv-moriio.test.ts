// MoRI-IO: a transfer id joins the legs, the request id names both workers; READ is one leg after the other, WRITE both at once.
import t from 'tap'
import type { Test } from 'tap'
import type { StartedSimulator, StartOptions } from '../../simulator/index.ts'
import { until } from '../helpers/until.ts'
import { heldBlocks, leg, legId, metric, results, textOf } from './legs.ts'
import { at, chat, worker } from './worker.ts'

const addressOf = (one: StartedSimulator): string => `host:127.0.0.1,handshake:${one.app.simulator.kv?.kvPort},notify:${one.app.simulator.kv?.kvPort}`
const prefillLeg = (transferId: string, more: object = {}): object =>
  ({ do_remote_decode: true, do_remote_prefill: false, remote_engine_id: null, remote_block_ids: null, transfer_id: transferId, ...more })

async function pair (t: Test, options: StartOptions): Promise<{ prefill: StartedSimulator, decode: StartedSimulator, id: () => string }> {
  const both = { connector: 'moriio', ...options } as const
  const prefill = await worker(t, { role: 'prefill', ranks: 2, ...both })
  const decode = await worker(t, { role: 'decode', ...both })
  return { prefill, decode, id: () => legId(addressOf(prefill), addressOf(decode)) }
}

t.test('READ', async t => {
  const { prefill, decode, id } = await pair(t, { kvLoadTimeoutMs: 100 })
  const name = id()
  const first = await leg(prefill, name, chat('one', { max_tokens: 1, kv_transfer_params: prefillLeg('tx-1', { remote_dp_size: 1 }) }))
  const params = at(first.body, 'kv_transfer_params') as Record<string, unknown>
  const port = prefill.app.simulator.kv?.kvPort
  t.match(params, {
    do_remote_prefill: true,
    do_remote_decode: false,
    remote_block_ids: [1],
    remote_engine_id: `127.0.0.1:${port}`,
    remote_host: '127.0.0.1',
    remote_handshake_port: port,
    remote_notify_port: port,
    remote_dp_size: 2,
    tp_size: 1,
    transfer_id: 'tx-1'
  })
  const second = await leg(decode, name, chat('one', { kv_transfer_params: params }))
  t.equal(textOf(second), textOf(await leg(await worker(t), 'plain', chat('one'))))
  await until('they are given back', () => heldBlocks(prefill) === 0)
  t.same(results(decode), { ok: 1 })
  t.equal((await leg(decode, name, chat('one', { kv_transfer_params: { ...params, remote_dp_size: 8 } }))).status, 500)
  t.equal((await leg(decode, name, chat('one', { kv_transfer_params: { ...params, remote_block_ids: null } }))).status, 500)
  t.equal((await leg(decode, name, chat('one', { kv_transfer_params: { ...params, transfer_id: 'tx-9' } }))).status, 500)
  t.same(results(decode), { ok: 1, wrong_rank: 1, missing: 1, foreign: 1 })
})

t.test('WRITE', async t => {
  const { prefill, decode, id } = await pair(t, { kvTransferMode: 'push' })
  const impatient = await worker(t, { connector: 'moriio', role: 'decode', kvTransferMode: 'push', kvLoadTimeoutMs: 100 })
  const plain = await worker(t)
  const first = (name: string, content: string, rank: number): ReturnType<typeof leg> => leg(prefill, name,
    chat(content, { max_tokens: 1, kv_transfer_params: prefillLeg(content, { remote_dp_size: 1, remote_tp_size: 1 }) }), { headers: { 'x-data-parallel-rank': String(rank) } })
  const second = (one: StartedSimulator, name: string, content: string, rank: number): ReturnType<typeof leg> => leg(one, name, chat(content, {
    kv_transfer_params: { do_remote_decode: false, do_remote_prefill: true, remote_engine_id: null, remote_block_ids: null, transfer_id: content, remote_dp_size: 2, remote_tp_size: 1, remote_dp_rank: rank }
  }))
  for (const rank of [0, 1]) {
    const name = id()
    const [, answer] = await Promise.all([first(name, `tx-${rank}`, rank), second(decode, name, `tx-${rank}`, rank)])
    t.equal(textOf(answer), textOf(await leg(plain, 'plain', chat(`tx-${rank}`))))
  }
  t.same(results(decode), { ok: 2 })
  const name = id()
  await first(name, 'tx-2', 1)
  t.equal((await second(impatient, name, 'tx-2', 0)).status, 500, 'the rank that was asked has nothing')
  t.same(results(impatient), { wrong_rank: 1 })
})

t.test('what would end a real engine', async t => {
  const { prefill, decode, id } = await pair(t, {})
  for (const [name, params] of [
    ['plain', prefillLeg('tx-1')], [legId('a:1', 'b:2'), { do_remote_decode: true, transfer_id: 'tx-1' }], [id(), { do_remote_decode: true, remote_engine_id: null, remote_block_ids: null }]
  ] as const) t.equal((await leg(prefill, name, chat('one', { kv_transfer_params: params }))).status, 500, name)
  for (const params of [{ do_remote_prefill: true }, { do_remote_prefill: true, transfer_id: 'tx-1', remote_block_ids: [1] }]) {
    t.equal((await leg(decode, 'plain', chat('one', { kv_transfer_params: params }))).status, 500)
  }
  t.equal(await metric(prefill, 'simulator:kv_engine_deaths_total'), 3)
  t.equal(await metric(decode, 'simulator:kv_engine_deaths_total'), 2)
})
