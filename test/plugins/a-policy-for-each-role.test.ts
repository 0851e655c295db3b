// Every policy chooses in each pool, each with a memory of its own.
import t from 'tap'
import type { Worker } from '../../core/worker.ts'
import { policyNames } from '../../policies/index.ts'
import { post } from '../helpers/client.ts'
import { startPools } from '../helpers/pools.ts'
import { routing } from '../helpers/routing.ts'
import { until } from '../helpers/until.ts'

t.test('by name', async t => {
  for (const policy of policyNames) {
    const { url, router, prefill, decode } = await startPools(t, { prefills: 3, decodes: 2, policy })
    t.same(['prefill', 'decode'].map(role => router.balancer.policyOf(role as 'prefill' | 'decode').name), [policy, policy])
    t.not(router.balancer.policyOf('prefill'), router.balancer.policyOf('decode'), 'one each')
    t.equal(router.balancer.policy, router.balancer.policyOf('decode'), 'that of the workers that answer')
    for (let i = 0; i < 12; i++) t.equal((await post(url + '/v1/completions', { prompt: `${i} `.repeat(300) }, { 'x-session-id': String(i) })).status, 200)
    t.same([prefill, decode].map(pool => pool.reduce((sum, worker) => sum + worker.requests.length, 0)), [12, 12])
    if (policy === 'round_robin') t.same([prefill, decode].map(pool => pool.map(worker => worker.requests.length)), [[4, 4, 4], [6, 6]])
    if (policy === 'cache_aware') {
      // equals are chosen by chance, so that one may get none
      const remembered = router.workers.list().filter(worker => (router.balancer.policyOf(worker.role).size?.(worker) ?? 0) > 0)
      t.same(new Set(remembered.map(worker => worker.role)), new Set(['prefill', 'decode']))
    }
    await until('no lease', () => router.workers.list().every(worker => worker.inFlight === 0))
  }
})

t.test('different ones, and one of one\'s own for both', async t => {
  const { url, router } = await startPools(t, { prefills: 1, decodes: 1, policy: 'random', prefillPolicy: 'consistent_hash' })
  t.same([router.balancer.policyOf('prefill').name, router.balancer.policyOf('decode').name], ['consistent_hash', 'random'])
  t.match(await (await fetch(url + '/get_server_info')).json(), { policy: 'random', prefill_policy: 'consistent_hash', decode_policy: 'random' })
  const told: string[] = []
  const own = {
    name: 'own',
    pick: ({ workers: [worker] }: { workers: readonly Worker[] }) => {
      if (worker === undefined) throw new Error('nobody')
      told.push(`pick ${worker.role}`)
      return { worker, reason: 'random' as const }
    },
    workerAdded: (worker: { role: string }) => { told.push(`added ${worker.role}`) }
  }
  const shared = await startPools(t, { prefills: 1, decodes: 1, policy: own })
  await (await post(shared.url + '/v1/completions', { prompt: 'a' })).text()
  t.same([...told].sort(), ['added decode', 'added prefill', 'pick decode', 'pick prefill'])
})

t.test('a policy that is replaced in one pool stays in the other', async t => {
  const { router } = await startPools(t, { prefills: 1, decodes: 1 })
  const before = router.balancer.policyOf('prefill')
  const changes: unknown[] = []
  router.balancer.on('policy', (policy, _before, role) => { changes.push([policy.name, role]) })
  const another = { name: 'another', pick: before.pick.bind(before) }
  router.balancer.setPolicy(another, 'decode')
  t.same([router.balancer.policyOf('decode'), router.balancer.policyOf('prefill'), changes], [another, before, [['another', 'decode']]])
  const assignment = router.balancer.assign('decode', routing())
  t.equal(assignment?.policy, 'another')
  assignment?.finish({ ok: true, firstByteMs: 1, durationMs: 1, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined })
})

t.test('a name nobody knows is told at once', async t => {
  await t.rejects(startPools(t, { prefills: 0, decodes: 0, decodePolicy: 'best' as 'random' }), { message: /decodePolicy takes one of/ })
})
