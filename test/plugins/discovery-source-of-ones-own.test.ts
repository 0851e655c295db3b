// A source written by somebody else feeds the router: its lists are followed, its health is shown, and it is stopped at the end.
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { vllmRouter } from '../../router.ts'
import type { DiscoverySource, WorkerSpec } from '../../router.ts'
import { startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

t.test('a source that changes its mind', async t => {
  const [one, two] = await startWorkers(t, 2)
  let state: (specs: readonly WorkerSpec[]) => void = () => {}
  let stopped = 0
  let ok = true
  const source: DiscoverySource = {
    name: 'mine',
    start: async tell => { state = tell },
    stop: async () => { stopped++ },
    health: () => ({ ok, detail: 'as told' })
  }
  let router: FastifyInstance | undefined
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(vllmRouter, { sources: [source], extend: scope => { router = scope } })
  await app.ready()
  if (router === undefined) throw new Error('no scope')
  const scope = router
  const urls = async (): Promise<unknown> => (await app.inject('/list_workers')).json<{ urls: string[] }>().urls
  t.same(await urls(), [])
  state([{ url: one?.url ?? '' }, { url: two?.url ?? '', ranks: 2 }])
  t.same(await urls(), [one?.url, `${two?.url}@0`, `${two?.url}@1`])
  await until('all are ready', () => scope.workers.candidates('regular').workers.length === 3)
  t.match((await app.inject('/workers')).json(), { workers: [{ sources: ['mine'] }, { sources: ['mine'] }, { sources: ['mine'] }] })
  state([{ url: one?.url ?? '' }])
  t.same(await urls(), [one?.url])
  const samples = await samplesOf(scope)
  t.equal(samples.sum('discovery_updates_total', { source: 'mine' }), 5, 'three came, two went')
  t.equal(samples.sum('discovery_source_ok', { source: 'mine' }), 1)
  ok = false
  t.equal((await samplesOf(scope)).sum('discovery_source_ok', { source: 'mine' }), 0)
  t.match((await app.inject('/readiness')).json(), { status: 'ready', sources: [{ name: 'static', ok: true }, { name: 'mine', ok: false, detail: 'as told' }] })

  const removed = await app.inject({ method: 'POST', url: '/remove_worker', query: { url: one?.url ?? '' } })
  t.equal(removed.statusCode, 409, 'it would come back')
  t.match(removed.json(), { error: { code: 'worker_not_removable' } })
  await app.close()
  t.equal(stopped, 1)
})

t.test('a fleet that is looked after elsewhere', async t => {
  const source: DiscoverySource = { name: 'theirs', start: async () => {}, stop: async () => {}, health: () => ({ ok: true, detail: 'as they say' }) }
  let router: FastifyInstance | undefined
  const app = Fastify()
  t.teardown(() => app.close())
  // whoever were asked would be found dead
  await app.register(vllmRouter, { workerUrls: ['http://127.0.0.1:1'], followed: [source], extend: scope => { router = scope } })
  await app.ready()
  if (router === undefined) throw new Error('no scope')
  t.equal(router.hasDecorator('prober'), false)
  t.same((await app.inject('/list_workers')).json(), { urls: [] }, 'its own options name no workers')
  router.workers.apply('theirs', [{ url: 'http://127.0.0.1:9' }])
  t.match((await app.inject('/readiness')).json(), { status: 'not_ready', sources: [{ name: 'theirs', detail: 'as they say' }] })
  for (const worker of router.workers.list()) router.workers.setState(worker, 'ready', 'they say so')
  t.match((await app.inject('/readiness')).json(), { status: 'ready', healthy_workers: 1 })
  t.match((await app.inject('/workers')).json(), { workers: [{ state: 'ready', reason: 'they say so', sources: ['theirs'] }] })
})
