// Each leg names a rank of its own worker, whatever the sizes of the two pools; sizes are learned from workers that tell them.
import t from 'tap'
import { post } from '../helpers/client.ts'
import { engines, startPools } from '../helpers/pools.ts'
import type { Pools } from '../helpers/pools.ts'
import type { RawWorker } from '../helpers/raw-worker.ts'
import { startRawWorker, valuesOf } from '../helpers/raw-worker.ts'
import { until } from '../helpers/until.ts'

/** How often each rank of a worker was asked, by what requests said. */
function ranks (workers: readonly RawWorker[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { rawHeaders } of workers.flatMap(worker => worker.requests)) {
    const named = valuesOf(rawHeaders, 'x-data-parallel-rank').join() || 'none'
    counts[named] = (counts[named] ?? 0) + 1
  }
  return counts
}

async function ask (pools: Pools, count: number): Promise<void> {
  // the client's own is for nobody
  for (let i = 0; i < count; i++) t.equal((await post(pools.url + '/v1/completions', { prompt: 'a' }, { 'x-data-parallel-rank': '9' })).status, 200)
}

for (const policy of ['round_robin', 'random', 'power_of_two', 'cache_aware', 'consistent_hash', 'rendezvous_hash'] as const) {
  t.test(`learned sizes, ${policy}`, async t => {
    const pools = await startPools(t, { prefills: 1, decodes: 1, policy, prefillMetrics: engines(2), decodeMetrics: engines(3) })
    t.same(pools.router.workers.list().map(({ role, rank }) => [role, rank]).sort(), [['decode', 0], ['decode', 1], ['decode', 2], ['prefill', 0], ['prefill', 1]])
    await ask(pools, 18)
    t.ok(Object.keys(ranks(pools.prefill)).every(rank => ['0', '1'].includes(rank)), JSON.stringify(ranks(pools.prefill)))
    t.ok(Object.keys(ranks(pools.decode)).every(rank => ['0', '1', '2'].includes(rank)), JSON.stringify(ranks(pools.decode)))
    if (policy === 'round_robin') t.same([ranks(pools.prefill), ranks(pools.decode)], [{ 0: 9, 1: 9 }, { 0: 6, 1: 6, 2: 6 }])
  })
}

t.test('sizes that are said, and ranks that are named', async t => {
  const [prefill, decode] = [await startRawWorker(t), await startRawWorker(t)]
  prefill.metrics = decode.metrics = engines(8)
  const pools = await startPools(t, { prefills: 0, decodes: 0, prefill: [prefill.url], decode: [`${decode.url}@5`], prefillDataParallelSize: 2 })
  await until('known', () => pools.router.workers.size === 3)
  t.same(pools.router.workers.list().map(worker => worker.id), [`${prefill.url}@0`, `${prefill.url}@1`, `${decode.url}@5`])
})

t.test('workers that do not tell: as all workers of this router', async t => {
  const pools = await startPools(t, { prefills: 1, decodes: 1, intraNodeDataParallelSize: 2 })
  t.same(pools.router.workers.list().map(({ role, rank }) => [role, rank]), [['prefill', 0], ['prefill', 1], ['decode', 0], ['decode', 1]])
})

t.test('one rank: nobody names any', async t => {
  const pools = await startPools(t, { prefills: 1, decodes: 1, prefillMetrics: engines(1) })
  await ask(pools, 1)
  t.same([ranks(pools.prefill), ranks(pools.decode)], [{ 9: 1 }, { 9: 1 }], 'but for the client')
})
