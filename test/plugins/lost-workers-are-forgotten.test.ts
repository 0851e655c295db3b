// When a worker does not answer, its policy is told; what it was believed to have in its cache is believed no longer when it is back.
import t from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'
import { LoadBalancer } from '../../plugins/load-balancer.ts'
import { createPolicy } from '../../policies/index.ts'
import { routing } from '../helpers/routing.ts'

for (const name of ['cache_aware', 'sticky_until_saturated']) {
  t.test(name, async t => {
    const registry = new WorkerRegistry()
    registry.apply('test', [{ url: 'http://one' }, { url: 'http://two' }])
    for (const worker of registry.list()) registry.setState(worker, 'ready', 'test')
    const policy = createPolicy(name, {}, { now: () => 0, random: Math.random })
    const balancer = new LoadBalancer(registry, () => policy)
    const request = routing({ text: 'x'.repeat(4096) })
    const finished = { ok: true, firstByteMs: 1, durationMs: 2, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined }
    const first = balancer.assign('regular', request)
    if (first === undefined) throw new Error('no assignment')
    first.finish(finished)
    t.match(balancer.assign('regular', request), { worker: first.worker, decision: { reason: 'prefix_hit', match: 1 } })
    registry.setState(first.worker, 'unhealthy', 'test')
    t.equal(policy.size?.(first.worker), 0)
    registry.setState(first.worker, 'ready', 'test')
    t.match(policy.pick(registry.candidates('regular'), request), { reason: 'prefix_miss', match: 0 })
  })
}
