// Over real sockets: a worker that is slow or fails at once loses its traffic whatever the policy, and gets it back.
// Takes long, and so a process of its own.
import t from 'tap'
import type { Test } from 'tap'
import Fastify from 'fastify'
import { Calls } from '../../plugins/call.ts'
import loadBalancer from '../../plugins/load-balancer.ts'
import outlierDetection from '../../plugins/outlier-detection.ts'
import workersPlugin from '../../plugins/workers.ts'
import type { VllmRouterOptions } from '../../router.ts'
import { chat, post } from '../helpers/client.ts'
import { startLogging } from '../helpers/log.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { routing } from '../helpers/routing.ts'
import { startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'
import { nth } from '../policies/setup.ts'

const path = '/v1/chat/completions'

/** A router in front of eight workers, and one chat after another through it. */
async function setup (t: Test, options: VllmRouterOptions) {
  const simulators = await startWorkers(t, 8, { interTokenLatencyMs: 1 })
  const started = await startLogging(t, 'info', { disableCircuitBreaker: true, workerUrls: simulators.map(one => one.url), ...options })
  const workers = started.router.workers.list()
  let number = 0
  return {
    ...started,
    simulators,
    workers,
    async ask (count: number, more: object = {}): Promise<void> {
      for (let i = 0; i < count; i++) {
        const response = await post(started.url + path, chat(`request ${number++}`, { max_tokens: 2, ...more }))
        await response.text()
        t.equal(response.status, 200)
      }
      await until('nothing in flight', () => workers.every(worker => worker.inFlight === 0))
    }
  }
}

for (const policy of ['power_of_two', 'cache_aware'] as const) {
  t.test(`a worker that fails at once does not attract, ${policy}`, async t => {
    const { ask, workers, simulators, router } = await setup(t, { policy, retryInitialBackoffMs: 1, retryBudgetMinPerSecond: 1000 })
    const failing = nth(workers, 2)
    await nth(simulators, 2).app.simulator.failures.set({ mode: 'status', status: 500 })
    const first = { failing: 0, all: 0 }
    router.balancer.on('assigned', ({ worker }) => {
      first.all++
      if (worker === failing) first.failing++
    })
    // ten at a time: the one that fails is always idle
    await Promise.all(Array.from({ length: 10 }, () => ask(20)))
    t.equal(first.all, 200 + first.failing, 'every failure was made good by another worker')
    t.ok(first.failing < 12, `${first.failing} of 200 first attempts went to it; a fair share is 25`)
    t.ok(failing.weight < 1)
    t.ok(workers.every(worker => worker === failing || worker.weight === 1))
  })
}

t.test('a slow one loses its traffic and gets it back, for all to see', { timeout: 60_000 }, async t => {
  const { ask, workers, simulators, router, app, lines } = await setup(t, { policy: 'round_robin' })
  const slow = nth(workers, 4)
  await ask(48, { stream: true })
  t.equal(slow.weight, 1)
  await nth(simulators, 4).app.simulator.failures.set({ mode: 'delay', delayMs: 150 })
  await until('it is down', async () => {
    await ask(8, { stream: true })
    return slow.weight <= 0.05
  }, 15_000)
  const before = slow.processed
  await ask(100, { stream: true })
  t.ok(slow.processed - before <= 3, `${slow.processed - before} of 100`)
  t.match((await app.inject('/workers/' + encodeURIComponent(slow.id))).json(), { weight: slow.weight })
  const weight = (await samplesOf(router)).sum('worker_weight', { worker: slow.id })
  t.ok(weight > 0 && weight <= 0.05)
  t.match(lines('worker is an outlier'), [{ level: 40, worker: slow.id }])

  await nth(simulators, 4).app.simulator.failures.clear()
  await until('it is back', async () => {
    await ask(40, { stream: true })
    return slow.weight === 1
  }, 40_000)
  await until('it says so', () => lines('worker is no outlier any more').length === 1)
})

t.test('disabled, also while it runs', async t => {
  const { ask, workers, simulators, router } = await setup(t, { policy: 'round_robin', disableOutlierDetection: true, retryInitialBackoffMs: 1, retryBudgetMinPerSecond: 1000 })
  await nth(simulators, 0).app.simulator.failures.set({ mode: 'status', status: 500 })
  const failing = nth(workers, 0)
  await ask(40)
  t.ok(failing.processed >= 5, 'its full share')
  t.equal(failing.weight, 1)
  router.outliers.configure({ disableOutlierDetection: false })
  await ask(40)
  t.ok(failing.weight < 1)
  router.outliers.configure({ disableOutlierDetection: true })
  t.equal(failing.weight, 1)
  t.notOk(failing.holds.has('outlier'))
})

t.test('one timer for all, only while there is traffic, and none after the end', async t => {
  const clock = new ManualClock()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(workersPlugin)
  app.workers.apply('test', [{ url: 'http://127.0.0.1:9' }, { url: 'http://127.0.0.1:10' }])
  for (const worker of app.workers.list()) app.workers.setState(worker, 'ready', 'test')
  await app.register(loadBalancer, { policy: 'round_robin', clock })
  app.decorate('calls', new Calls())
  await app.register(outlierDetection, { clock })
  await app.ready()
  t.equal(clock.pending, 0)
  for (let i = 0; i < 5; i++) app.balancer.assign('regular', routing())
  t.equal(clock.pending, 1)
  await clock.advance(1000)
  t.equal(clock.pending, 0)
  app.balancer.assign('regular', routing())
  t.equal(clock.pending, 1)
  await app.close()
  t.equal(clock.pending, 0)
  app.balancer.assign('regular', routing())
  t.equal(clock.pending, 0)
})
