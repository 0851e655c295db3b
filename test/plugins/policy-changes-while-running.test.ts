// Another policy may take over at any time: it knows all workers, the one before hears of its own requests to their end, and metrics name each.
import t from 'tap'
import { chat, post } from '../helpers/client.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'
import { powerOfTwo, roundRobin } from '../../policies/index.ts'
import type { Policy } from '../../router.ts'

function watched (name: string, told: string[]): Policy {
  return {
    name,
    pick: candidates => {
      const [worker] = candidates.workers
      if (worker === undefined) throw new Error('no candidate')
      return { worker, reason: 'only_candidate' }
    },
    workerAdded: () => { told.push(`${name} added`) },
    workerRemoved: () => { told.push(`${name} removed`) },
    dispatched: () => { told.push(`${name} dispatched`) },
    finished: () => { told.push(`${name} finished`) }
  }
}

t.test('one policy after another', async t => {
  const workers = await startWorkers(t, 1, { interTokenLatencyMs: 5 })
  const told: string[] = []
  const { url, router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: watched('one', told) })
  const first = await post(url + '/v1/chat/completions', chat('a', { stream: true, max_tokens: 50 }))
  const another = watched('another', told)
  router.balancer.setPolicy(another)
  router.balancer.setPolicy(another)
  t.equal(router.balancer.policy, another)
  await (await post(url + '/v1/chat/completions', chat('b', { max_tokens: 1 }))).text()
  await first.text()
  await until('all are over', () => router.workers.list()[0]?.inFlight === 0)
  const samples = await samplesOf(router)
  t.equal(samples.sum('policy_decisions_total', { policy: 'one' }), 1)
  t.equal(samples.sum('policy_decisions_total', { policy: 'another' }), 1)
  router.workers.apply('static', [])
  t.same(told, [
    'one added', 'one dispatched', 'another added', 'another dispatched', 'another finished', 'one finished', 'another removed'
  ])
  t.same((await samplesOf(router)).series.filter(series => series.startsWith('vllm_router_policy_decisions_total')), [], 'series go with the worker')
})

t.test('load is read from workers while the policy wants it', async t => {
  const workers = await startWorkers(t, 1)
  const { router } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), policy: 'round_robin', loadScrapeIntervalSecs: 0.02 })
  const asked = (): number => workers[0]?.app.simulator.requests.filter(request => request.url === '/metrics').length ?? 0
  t.equal(asked(), 0)
  const quiet = router.workers.listenerCount('added')
  const context = { now: () => performance.now(), random: Math.random }
  router.balancer.setPolicy(powerOfTwo(context))
  await until('it is read', () => asked() > 1)
  // the same kind again, and then one that does not want to know
  router.balancer.setPolicy(powerOfTwo(context))
  t.equal(router.workers.listenerCount('added'), quiet + 1, 'it is read once only')
  for (const worker of router.workers.list()) worker.foreignLoad = 7
  router.balancer.setPolicy(roundRobin(context))
  t.equal(router.workers.listenerCount('added'), quiet, 'and then no more')
  t.same(router.workers.list().map(worker => worker.foreignLoad), [0], 'what was read last is forgotten')
})
