// Mooncake: a transfer id joins the legs, and the bootstrap port tells which engine is behind it; both sides wait for each other.
import t from 'tap'
import { until } from '../helpers/until.ts'
import { heldBlocks, leg, legId, results, textOf } from './legs.ts'
import { at, chat, worker } from './worker.ts'

const prefillLeg = (transferId: string): object => ({ do_remote_decode: true, do_remote_prefill: false, transfer_id: transferId })
const query = async (port: number): Promise<Record<string, { engine_id: string }>> => await (await fetch(`http://127.0.0.1:${port}/query`)).json() as Record<string, { engine_id: string }>

t.test('legs by transfer id', async t => {
  const prefill = await worker(t, { connector: 'mooncake', role: 'prefill', ranks: 2 })
  const decode = await worker(t, { connector: 'mooncake', role: 'decode' })
  const impatient = await worker(t, { connector: 'mooncake', role: 'decode', kvLoadTimeoutMs: 100 })
  const port = prefill.app.simulator.kv?.kvPort ?? 0
  const engines = await query(port)
  t.same(Object.keys(engines), ['0', '1'])
  t.not(engines['0']?.engine_id, engines['1']?.engine_id)
  const decodeLeg = (transferId: string, rank: string, address = `http://127.0.0.1:${port}`): object =>
    ({ do_remote_decode: false, do_remote_prefill: true, transfer_id: transferId, remote_bootstrap_addr: address, remote_engine_id: engines[rank]?.engine_id })
  const run = (one: typeof prefill, content: string, params: object, rank?: string): ReturnType<typeof leg> =>
    leg(one, legId(), chat(content, { kv_transfer_params: params }), rank === undefined ? {} : { headers: { 'x-data-parallel-rank': rank } })

  const first = await run(prefill, 'one', prefillLeg('xfer-1'), '1')
  t.equal(at(first.body, 'kv_transfer_params'), null, 'its answer tells nothing')
  t.ok(heldBlocks(prefill) > 0)
  const second = await run(decode, 'one', decodeLeg('xfer-1', '1'))
  t.equal(textOf(second), textOf(first))
  await until('they are given back', () => heldBlocks(prefill) === 0)

  // the decode comes first and waits
  const early = run(decode, 'two', decodeLeg('xfer-2', '0', `127.0.0.1:${port}`))
  await new Promise(resolve => setTimeout(resolve, 30))
  await run(prefill, 'two', prefillLeg('xfer-2'), '0')
  t.equal((await early).status, 200)
  t.same(results(decode), { ok: 2 })

  await run(prefill, 'three', prefillLeg('xfer-3'), '0')
  for (const [content, params, result] of [
    ['three', decodeLeg('xfer-3', '1'), 'wrong_rank'],
    ['other', decodeLeg('xfer-3', '0'), 'foreign'],
    ['three', decodeLeg('xfer-9', '0'), 'timeout'],
    ['three', { ...decodeLeg('xfer-3', '0'), remote_engine_id: 'of-yesterday' }, 'stale'],
    ['three', { do_remote_prefill: true, transfer_id: 'xfer-3' }, 'missing'],
    ['three', decodeLeg('xfer-3', '0', 'http://127.0.0.1:9'), 'unreachable']
  ] as const) {
    t.equal((await run(impatient, content, params)).status, 500, result)
    t.equal(results(impatient)[result], 1)
  }
  t.ok(heldBlocks(prefill) > 0)
  t.equal((await run(decode, 'three', decodeLeg('xfer-3', '0'))).status, 200)
})

t.test('a worker that is restarted has another engine id', async t => {
  const before = await worker(t, { connector: 'mooncake' })
  const kvPort = before.app.simulator.kv?.kvPort ?? 0
  const old = await query(kvPort)
  await before.close()
  await worker(t, { connector: 'mooncake', kvPort })
  t.not((await query(kvPort))['0']?.engine_id, old['0']?.engine_id)
})
