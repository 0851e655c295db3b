// A worker that keeps failing gets nothing for a while, then a few trials, then everything; over real sockets.
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import type { Worker } from '../../core/worker.ts'
import { Calls } from '../../plugins/call.ts'
import circuitBreaker from '../../plugins/circuit-breaker.ts'
import loadBalancer from '../../plugins/load-balancer.ts'
import workersPlugin from '../../plugins/workers.ts'
import type { VllmRouterOptions } from '../../router.ts'
import type { StartedSimulator } from '../../simulator/start.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { chat, post, sendRaw } from '../helpers/client.ts'
import { startLogging } from '../helpers/log.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import type { TestRouter } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'
import { nth } from '../policies/setup.ts'

const path = '/v1/chat/completions'
const routing = { model: undefined, header: () => undefined, session: undefined, opening: undefined, prefix: { hashes: [], ends: [], length: 0 } }
const how = { ok: false, firstByteMs: undefined, durationMs: 1, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined }

/** Outcomes are what is looked at: each answer is a worker's own, and comes from one attempt. */
const plain: VllmRouterOptions = {
  policy: 'round_robin', disableRetries: true, disableOutlierDetection: true, cbFailureThreshold: 3, cbTimeoutDurationSecs: 60
}

interface Setup extends TestRouter {
  readonly simulators: StartedSimulator[]
  readonly workers: Worker[]
  /** One chat; its status. */
  ask (more?: object): Promise<number>
}

async function setup (t: Test, count: number, options: VllmRouterOptions = {}): Promise<Setup> {
  const simulators = await startWorkers(t, count, { interTokenLatencyMs: 1 })
  const started = await startRouter(t, { ...plain, workerUrls: simulators.map(one => one.url), ...options })
  return {
    ...started,
    simulators,
    workers: started.router.workers.list(),
    async ask (more = {}) {
      const response = await post(started.url + path, chat('a', more))
      await response.text()
      await until('nothing in flight', () => started.router.workers.list().every(worker => worker.inFlight === 0))
      return response.status
    }
  }
}

t.test('opens after failures in a row, and gets nothing while open', async t => {
  const { ask, workers, simulators, router, app } = await setup(t, 2)
  const [bad, good] = [nth(workers, 0), nth(workers, 1)]
  const { failures } = nth(simulators, 0).app.simulator
  await failures.set({ mode: 'status', status: 500 })
  for (let i = 0; i < 4; i++) await ask()
  t.equal(router.breakers.stateOf(bad), 'closed', 'two failures')
  await failures.clear()
  for (let i = 0; i < 2; i++) await ask()
  await failures.set({ mode: 'status', status: 500 })
  for (let i = 0; i < 4; i++) await ask()
  t.equal(router.breakers.stateOf(bad), 'closed', 'a success ended the row')
  for (let i = 0; i < 2; i++) await ask()
  t.equal(router.breakers.stateOf(bad), 'open')
  t.equal(router.breakers.stateOf(good), 'closed')

  const before = bad.processed
  for (let i = 0; i < 10; i++) t.equal(await ask(), 200)
  t.equal(bad.processed, before)
  t.match((await app.inject('/workers')).json(), { workers: [{ breaker: 'open', holds: ['breaker'] }, { breaker: 'closed', holds: [] }] })
  t.match((await app.inject('/workers/' + encodeURIComponent(bad.id))).json(), { breaker: 'open' })
})

for (const [name, failure, more] of [
  ['a 502', { mode: 'status', status: 502 }, {}],
  ['503 that asks for no pause', { mode: 'status', status: 503 }, {}],
  ['503 that asks for a pause of nothing', { mode: 'status', status: 503, retryAfter: 0 }, {}],
  ['a reset', { mode: 'reset' }, {}],
  ['no first byte in time', { mode: 'hang' }, {}],
  ['a stream that breaks', { mode: 'reset_stream' }, { stream: true, max_tokens: 50 }]
] as const) {
  t.test(`${name} is a failure`, async t => {
    const { ask, workers, simulators, router } = await setup(t, 1, { firstByteTimeoutSecs: 0.1 })
    await nth(simulators, 0).app.simulator.failures.set(failure)
    for (let i = 0; i < 3; i++) await ask(more)
    t.equal(router.breakers.stateOf(nth(workers, 0)), 'open')
  })
}

for (const [name, failure] of [
  ['a client\'s mistake', { mode: 'status', status: 400 }],
  ['501', { mode: 'status', status: 501 }],
  ['429', { mode: 'status', status: 429 }],
  ['503 that asks for a pause', { mode: 'status', status: 503, retryAfter: 1 }]
] as const) {
  t.test(`${name} is none`, async t => {
    const { ask, workers, simulators, router } = await setup(t, 1)
    const worker = nth(workers, 0)
    await nth(simulators, 0).app.simulator.failures.set(failure)
    for (let i = 0; i < 4; i++) {
      t.equal(await ask(), failure.status)
      router.workers.unhold(worker, 'pause')
    }
    t.equal(router.breakers.stateOf(worker), 'closed')
  })
}

t.test('a client that leaves says nothing, in no state', async t => {
  const { port, router, workers, simulators, ask } = await setup(t, 1, { cbTimeoutDurationSecs: 0.05 })
  const worker = nth(workers, 0)
  const { failures } = nth(simulators, 0).app.simulator
  async function leave (): Promise<void> {
    const socket = await sendRaw(port, path, chat('a'))
    await until('it waits', () => worker.inFlight === 1)
    socket.destroy()
    await until('it is gone', () => worker.inFlight === 0)
  }
  await failures.set({ mode: 'hang' })
  for (let i = 0; i < 4; i++) await leave()
  t.equal(router.breakers.stateOf(worker), 'closed')

  await failures.set({ mode: 'status', status: 500 })
  for (let i = 0; i < 3; i++) await ask()
  await until('half open', () => router.breakers.stateOf(worker) === 'half_open')
  await failures.set({ mode: 'hang' })
  for (let i = 0; i < 4; i++) await leave()
  t.equal(router.breakers.stateOf(worker), 'half_open')
  t.same([...worker.holds.keys()], [], 'and its place is free again')
})

t.test('half open: one trial at a time, and back after three that succeed', async t => {
  const { router, workers, simulators, ask, url } = await setup(t, 2, { cbTimeoutDurationSecs: 0.05 })
  const [bad, good] = [nth(workers, 0), nth(workers, 1)]
  const { failures } = nth(simulators, 0).app.simulator
  await failures.set({ mode: 'status', status: 500 })
  for (let i = 0; i < 6; i++) await ask()
  await until('half open', () => router.breakers.stateOf(bad) === 'half_open')
  await failures.clear()

  // fifty at once, of streams that take their time: the trial is under way for as long as they come
  const before = bad.processed
  const goodBefore = good.processed
  let most = 0
  router.balancer.on('assigned', () => { most = Math.max(most, bad.inFlight) })
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(url + path, chat('a', { stream: true, max_tokens: 100 }))))
  t.equal(most, 1)
  t.equal(bad.processed - before, 1)
  t.equal(good.processed - goodBefore, 49)
  for (const answer of answers) await answer.text()
  await until('nothing in flight', () => bad.inFlight + good.inFlight === 0)
  t.equal(router.breakers.stateOf(bad), 'half_open', 'one success')
  for (let i = 0; i < 4; i++) t.equal(await ask(), 200)
  t.equal(router.breakers.stateOf(bad), 'closed', 'three successes')
  const closed = bad.processed
  for (let i = 0; i < 10; i++) await ask()
  t.equal(bad.processed - closed, 5, 'its full share')

  await failures.set({ mode: 'status', status: 500 })
  for (let i = 0; i < 6; i++) await ask()
  await until('half open again', () => router.breakers.stateOf(bad) === 'half_open')
  const trial = bad.processed
  await Promise.all([ask(), ask()])
  t.equal(bad.processed - trial, 1)
  t.not(router.breakers.stateOf(bad), 'closed')
})

t.test('each data-parallel rank has a breaker of its own', async t => {
  const { ask, workers, router, simulators } = await setup(t, 1, { intraNodeDataParallelSize: 2 })
  t.equal(workers.length, 2)
  const [first, second] = [nth(workers, 0), nth(workers, 1)]
  router.workers.hold(second, 'pause')
  await nth(simulators, 0).app.simulator.failures.set({ mode: 'status', status: 500 })
  for (let i = 0; i < 3; i++) await ask()
  router.workers.unhold(second, 'pause')
  t.same(workers.map(worker => router.breakers.stateOf(worker)), ['open', 'closed'])
  t.same(router.workers.candidates('regular').workers, [second])
  t.same([...first.holds.keys()], ['breaker'])
})

t.test('all open: 503, with the time to the next trial', async t => {
  const { url, app, ask, simulators } = await setup(t, 2, { cbTimeoutDurationSecs: 30 })
  for (const simulator of simulators) await simulator.app.simulator.failures.set({ mode: 'status', status: 500 })
  for (let i = 0; i < 6; i++) t.equal(await ask(), 500)
  const response = await post(url + path, chat('a'))
  t.equal(response.status, 503)
  t.match(await response.json(), { error: { code: 'no_available_workers', message: /held back/ } })
  const after = Number(response.headers.get('retry-after'))
  t.ok(after > 20 && after <= 30, `Retry-After: ${after}`)
  t.match((await app.inject('/readiness')).json(), { status: 'not_ready', reason: /held back/ })
  const health = await app.inject('/health')
  t.equal(health.statusCode, 503)
  t.match(health.body, /held back/)
})

t.test('panic mode goes on with the least bad worker', async t => {
  const { url, router, workers, ask, simulators } = await setup(t, 3, { panicMode: true, cbTimeoutDurationSecs: 30, accessLog: true })
  for (const simulator of simulators) await simulator.app.simulator.failures.set({ mode: 'status', status: 500 })
  for (let i = 0; i < 9; i++) await ask()
  t.same(workers.map(worker => router.breakers.stateOf(worker)), ['open', 'open', 'open'])
  for (const simulator of simulators) await simulator.app.simulator.failures.clear()
  const response = await post(url + path, chat('a'), { 'x-vllm-router-explain': '1' })
  await response.text()
  t.equal(response.status, 200)
  t.match(response.headers.get('x-vllm-router-decision'), /reason=panic/)

  const back = (worker: Worker): number => worker.holds.get('breaker') ?? 0
  const inTurn = [...workers].sort((one, two) => back(one) - back(two))
  const [first, second, third] = [nth(inTurn, 0), nth(inTurn, 1), nth(inTurn, 2)]
  t.equal(router.balancer.lastResort('regular', routing), first, 'who comes back first')
  first.acquire()
  t.equal(router.balancer.lastResort('regular', routing), second, 'who has less to do')
  t.equal(router.balancer.lastResort('regular', routing, new Set([second])), third, 'who has not been tried')
  router.workers.hold(third, 'full')
  t.equal(router.balancer.lastResort('regular', routing, new Set([second])), first, 'a worker that is full stays so')
  first.release()
  t.equal(router.breakers.stateOf(first), 'open', 'what it answers does not let it back before its time')

  router.breakers.configure({ panicMode: false })
  t.equal(await ask(), 503)
  router.breakers.configure({ cbFailureThreshold: 5 })
  t.equal(await ask(), 503, 'other options leave it')
})

t.test('disabled, also while it runs', async t => {
  const { ask, workers, simulators, router, app } = await setup(t, 1, { disableCircuitBreaker: true })
  const worker = nth(workers, 0)
  await nth(simulators, 0).app.simulator.failures.set({ mode: 'status', status: 500 })
  for (let i = 0; i < 5; i++) t.equal(await ask(), 500)
  t.equal(router.breakers.stateOf(worker), 'closed')
  router.breakers.configure({ disableCircuitBreaker: false })
  for (let i = 0; i < 3; i++) t.equal(await ask(), 500)
  t.equal(await ask(), 503)
  t.equal(router.breakers.stateOf(worker), 'open')
  router.breakers.configure({ disableCircuitBreaker: true })
  t.equal(await ask(), 500, 'it serves at once')
  t.match((await app.inject('/workers')).json(), { workers: [{ breaker: 'closed', holds: [] }] })
})

t.test('a worker that was down and is up again starts anew', async t => {
  const { ask, workers, simulators, router } = await setup(t, 1)
  const worker = nth(workers, 0)
  await nth(simulators, 0).app.simulator.failures.set({ mode: 'status', status: 500, count: 3 })
  for (let i = 0; i < 3; i++) await ask()
  t.equal(router.breakers.stateOf(worker), 'open')
  router.workers.setState(worker, 'unhealthy', 'test')
  t.equal(router.breakers.stateOf(worker), 'open')
  router.workers.setState(worker, 'ready', 'test')
  t.equal(router.breakers.stateOf(worker), 'closed')
  t.equal(await ask(), 200)
})

t.test('a request that only one worker can answer reaches it, and is no trial too many', async t => {
  const { workers, simulators, router, ask } = await setup(t, 1, { cbTimeoutDurationSecs: 0.05 })
  const worker = nth(workers, 0)
  await nth(simulators, 0).app.simulator.failures.set({ mode: 'status', status: 500, count: 3 })
  for (let i = 0; i < 3; i++) await ask()
  const open = router.balancer.assign('regular', routing, worker)
  t.equal(open?.worker, worker)
  await until('half open', () => router.breakers.stateOf(worker) === 'half_open')
  const pinned = [1, 2, 3].map(() => router.balancer.assign('regular', routing, worker))
  t.same([...worker.holds.keys()], ['breaker'], 'the first is the trial')
  if (open === undefined) throw new Error('no assignment')
  router.breakers.end(open, 'failure')
  for (const one of pinned.slice(1)) if (one !== undefined) router.breakers.end(one, 'failure')
  t.equal(router.breakers.stateOf(worker), 'half_open', 'those that are none have no say')
  const [trial] = pinned
  trial?.finish(how)
  await until('its place is free, though it never became a call', () => worker.holds.size === 0)
  for (const one of [open, ...pinned.slice(1)]) one?.finish(how)
  for (let i = 0; i < 3; i++) t.equal(await ask(), 200)
  t.equal(router.breakers.stateOf(worker), 'closed')
})

t.test('metrics and log tell every move', async t => {
  const [simulator] = await startWorkers(t, 1)
  if (simulator === undefined) throw new Error('no worker')
  const { url, router, lines } = await startLogging(t, 'info', { ...plain, workerUrls: [simulator.url], cbTimeoutDurationSecs: 0.2 })
  const state = async (): Promise<number> => (await samplesOf(router)).sum('cb_state')
  const ask = async (): Promise<void> => {
    await (await post(url + path, chat('a'))).text()
    await until('nothing in flight', () => router.workers.list().every(worker => worker.inFlight === 0))
  }
  t.equal(await state(), 0)
  await simulator.app.simulator.failures.set({ mode: 'status', status: 500, count: 3 })
  for (let i = 0; i < 3; i++) await ask()
  t.equal(await state(), 1)
  await until('half open', async () => await state() === 2)
  for (let i = 0; i < 3; i++) await ask()
  t.equal(await state(), 0)
  const samples = await samplesOf(router)
  for (const [from, to] of [['closed', 'open'], ['open', 'half_open'], ['half_open', 'closed']] as const) {
    t.equal(samples.sum('cb_state_transitions_total', { worker: simulator.url, from, to }), 1, `${from} → ${to}`)
  }
  t.equal(samples.sum('cb_outcomes_total', { outcome: 'failure' }), 3)
  t.equal(samples.sum('cb_outcomes_total', { outcome: 'success' }), 3)
  t.match(lines('circuit open'), [{ level: 40, worker: simulator.url, from: 'closed', to: 'open' }])
  t.match(lines('circuit half_open'), [{ level: 30 }])
  t.match(lines('circuit closed'), [{ level: 30 }])
  router.manualWorkers.remove(simulator.url)
  await until('it is gone', () => router.workers.size === 0)
  t.same((await samplesOf(router)).series.filter(name => name.includes('_cb_')), [], 'its series go with it')
})

t.test('no timer is left behind', async t => {
  for (const end of ['close', 'remove'] as const) {
    const clock = new ManualClock()
    const app = Fastify()
    await app.register(workersPlugin)
    await app.register(loadBalancer, { policy: 'round_robin' })
    app.decorate('calls', new Calls())
    await app.register(circuitBreaker, { clock, cbFailureThreshold: 1 })
    await app.ready()
    app.workers.apply('test', [{ url: 'http://127.0.0.1:9' }])
    const worker = nth(app.workers.list(), 0)
    app.workers.setState(worker, 'ready', 'test')
    const assignment = app.balancer.assign('regular', routing)
    if (assignment === undefined) throw new Error('no assignment')
    assignment.finish(how)
    app.breakers.end(assignment, 'failure')
    t.equal(clock.pending, 1)
    if (end === 'close') await app.close()
    else app.workers.apply('test', [])
    t.equal(clock.pending, 0, end)
    app.breakers.end(assignment, 'failure')
    t.equal(clock.pending, 0, 'nor made by what ends later')
    await app.close()
  }
})
