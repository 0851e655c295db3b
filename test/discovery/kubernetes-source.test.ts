// The source as a whole: one collection a namespace and selector, one worker a pod, few statements, health and problems told once.
import t from 'tap'
import type { Test } from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'
import { Lease } from '../../core/lease.ts'
import { kubernetesSource } from '../../discovery/kubernetes.ts'
import { apiSource } from '../../discovery/kubernetes/api-source.ts'
import type { ApiSourceOptions } from '../../discovery/kubernetes/api-source.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { Store } from './kubernetes-store.ts'

interface Setup {
  readonly registry: WorkerRegistry
  readonly source: ReturnType<typeof apiSource>
  readonly clock: ManualClock
  readonly log: string[]
  /** The collection behind a path and a selector. */
  store (path: string, labelSelector: string): Store
  statements: number
  ids (): string[]
  settle (): Promise<void>
}

async function setup (t: Test, options: Partial<ApiSourceOptions> = {}): Promise<Setup> {
  const stores = new Map<string, Store>()
  const registry = new WorkerRegistry()
  const clock = new ManualClock()
  const log: string[] = []
  const storeOf = (path: string, selector: string): Store => {
    const store = stores.get(`${path} ${selector}`) ?? new Store()
    stores.set(`${path} ${selector}`, store)
    return store
  }
  const at = (url: string): Store => {
    const [path = '', query] = url.split('?')
    return storeOf(path, new URLSearchParams(query).get('labelSelector') ?? '')
  }
  const it: Setup = {
    registry,
    clock,
    log,
    store: storeOf,
    statements: 0,
    ids: () => registry.list().map(worker => worker.id).sort(),
    async settle () {
      for (let i = 0; i < 8; i++) await clock.advance(10)
    },
    source: apiSource({
      api: { json: (url, signal) => at(url).json(url, signal), lines: (url, signal, heard, line) => at(url).lines(url, signal, heard, line) },
      mode: 'pods',
      roles: [{ role: 'regular', selector: ['app=vllm'] }],
      namespaces: ['models'],
      services: [],
      port: '8000',
      ranks: 1,
      resyncMs: 60_000,
      log: { info: () => {}, warn: (_details, message) => { log.push(message) } },
      clock,
      random: () => 0.5,
      ...options
    })
  }
  t.teardown(() => it.source.stop())
  await it.source.start(specs => {
    it.statements++
    registry.apply('kubernetes', specs)
  })
  return it
}

const pods = '/api/v1/namespaces/models/pods'

function pod (ip: string, ready = true, metadata: object = {}): object {
  return { metadata: { namespace: 'models', ...metadata }, status: { phase: 'Running', podIP: ip, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] } }
}

t.test('a pod that is not ready gets nothing new, and its streams go on', async t => {
  const { store, registry, ids, settle, source } = await setup(t)
  const models = store(pods, 'app=vllm')
  t.match(source.health(), { ok: false, detail: 'not listed yet' })
  models.put('a', pod('10.0.0.1'))
  models.put('b', pod('10.0.0.2'))
  await settle()
  t.same(ids(), ['http://10.0.0.1:8000', 'http://10.0.0.2:8000'])
  for (const worker of registry.list()) registry.setState(worker, 'ready', 'answers')
  const [a] = registry.list()
  if (a === undefined) throw new Error('no worker')
  const stream = new Lease(registry, a)

  models.put('a', pod('10.0.0.1', false))
  models.put('b', pod('10.0.0.2', false))
  await settle()
  t.equal(a.state, 'draining')
  t.same(ids(), ['http://10.0.0.1:8000'], 'one without requests goes at once')
  t.same(registry.candidates('regular').workers, [])

  models.put('a', pod('10.0.0.1'))
  await settle()
  t.equal(a.state, 'starting', 'it is the same worker again before its stream has ended, and serves when it answers')
  stream.end()
  t.equal(registry.get('http://10.0.0.1:8000'), a)

  const leaving = new Lease(registry, a)
  models.put('a', pod('10.0.0.1', true, { deletionTimestamp: '2026-01-01T00:00:00Z' }))
  await settle()
  t.equal(a.state, 'draining')
  t.match(source.health(), { ok: true, detail: '2 pods found, 0 of them workers' })
  models.delete('a')
  await settle()
  leaving.end()
  t.same(ids(), [])
})

t.test('prefill and decode workers; what matches both is prefill, and said so once', async t => {
  const { store, registry, settle, log } = await setup(t, {
    namespaces: [], roles: [{ role: 'prefill', selector: ['app=vllm', 'role=prefill'] }, { role: 'decode', selector: ['role=decode'] }]
  })
  const prefill = store('/api/v1/pods', 'app=vllm,role=prefill')
  const decode = store('/api/v1/pods', 'role=decode')
  prefill.put('a', pod('10.0.0.1', true, { annotations: { 'vllm.ai/bootstrap-port': '8998' } }))
  prefill.put('both', pod('10.0.0.3'))
  decode.put('b', pod('10.0.0.2'))
  decode.put('both', pod('10.0.0.3'))
  await settle()
  const roles = (): unknown => Object.fromEntries(registry.list().map(worker => [worker.url, worker.role]))
  t.same(roles(), { 'http://10.0.0.1:8000': 'prefill', 'http://10.0.0.2:8000': 'decode', 'http://10.0.0.3:8000': 'prefill' })
  t.equal(registry.get('http://10.0.0.1:8000')?.spec.bootstrapPort, 8998)
  decode.put('b', pod('10.0.0.2'))
  await settle()
  t.same(log, ['kubernetes: models/both: it matches the selectors of prefill and decode workers and is taken as prefill'])
  // a label was taken away
  prefill.delete('both')
  await settle()
  t.same(roles(), { 'http://10.0.0.1:8000': 'prefill', 'http://10.0.0.2:8000': 'decode', 'http://10.0.0.3:8000': 'decode' })
})

t.test('several namespaces; one that may not be listed does not keep the others back', async t => {
  const { store, ids, settle, source, clock } = await setup(t, { namespaces: ['models', 'secret'] })
  store(pods, 'app=vllm').put('a', pod('10.0.0.1'))
  const secret = store('/api/v1/namespaces/secret/pods', 'app=vllm')
  secret.put('b', pod('10.0.0.2'))
  secret.listErrors.push(Object.assign(new Error('no'), { code: 'ECONNREFUSED' }))
  await settle()
  t.same(ids(), ['http://10.0.0.1:8000'])
  t.match(source.health(), { ok: false, detail: 'cannot list pods in namespace "secret": connection refused' })
  await clock.advance(500)
  await settle()
  t.same(ids(), ['http://10.0.0.1:8000', 'http://10.0.0.2:8000'])
  t.equal(source.health().ok, true)
  t.same(source.counts?.().relists.get('start'), 2)
})

t.test('many changes are few statements', async t => {
  const it = await setup(t)
  const models = it.store(pods, 'app=vllm')
  await it.settle()
  const before = it.statements
  for (let i = 0; i < 1000; i++) models.put(`p${i}`, pod(`10.0.${i >> 8}.${i & 255}`))
  await it.settle()
  t.equal(it.registry.size, 1000)
  t.ok(it.statements - before <= 2, `${it.statements - before} statements`)
  const then = it.statements
  for (let i = 0; i < 100; i++) {
    models.delete(`p${i}`)
    await it.clock.advance(1)
  }
  await it.settle()
  t.equal(it.registry.size, 900)
  t.ok(it.statements - then <= 4, `${it.statements - then} statements for 100 changes within 100 ms`)
})

t.test('problems are told once each, and again when they come back', async t => {
  const { store, settle, log } = await setup(t)
  const models = store(pods, 'app=vllm')
  const bad = pod('10.0.0.1', true, { annotations: { 'vllm.ai/port': 'none' } })
  models.put('a', bad)
  await settle()
  models.put('a', bad)
  models.put('b', pod('10.0.0.2'))
  await settle()
  t.same(log, ['kubernetes: models/a: vllm.ai/port is "none": it is no port number and no container port has that name'])
  models.put('a', pod('10.0.0.1'))
  await settle()
  models.put('a', bad)
  await settle()
  t.equal(log.length, 2)
})

t.test('EndpointSlices of Services', async t => {
  const { store, ids, settle, source } = await setup(t, { mode: 'endpointslices', services: ['vllm', 'other'], roles: [{ role: 'regular', selector: ['tier=gold'] }] })
  const slices = store('/apis/discovery.k8s.io/v1/namespaces/models/endpointslices', 'kubernetes.io/service-name in (vllm,other),tier=gold')
  const endpoints = (...addresses: string[]): object => ({
    metadata: { namespace: 'models', labels: { 'kubernetes.io/service-name': 'vllm' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8000 }],
    endpoints: addresses.map(address => ({ addresses: [address], conditions: { ready: true }, targetRef: { kind: 'Pod', name: address, uid: address } }))
  })
  slices.put('s1', endpoints('10.0.0.1', '10.0.0.2'))
  slices.put('s2', endpoints('10.0.0.2', '10.0.0.3'))
  await settle()
  t.same(ids(), ['http://10.0.0.1:8000', 'http://10.0.0.2:8000', 'http://10.0.0.3:8000'])
  t.match(source.health(), { ok: true, detail: '3 endpoints found, 3 of them workers' })
  slices.put('s1', endpoints('10.0.0.1'))
  await settle()
  slices.delete('s2')
  await settle()
  t.same(ids(), ['http://10.0.0.1:8000'])
})

t.test('stopped, it states nothing more', async t => {
  const it = await setup(t)
  const models = it.store(pods, 'app=vllm')
  await it.settle()
  models.put('a', pod('10.0.0.1'))
  const { statements } = it
  await it.source.stop()
  await it.settle()
  t.equal(it.statements, statements)
  t.equal(it.clock.pending, 0)
})

t.test('nothing to look for is a mistake', async t => {
  t.throws(() => kubernetesSource({}), /needs a selector/)
  t.throws(() => kubernetesSource({ serviceDiscoveryMode: 'endpointslices', selector: ['a=b'] }), /needs a service name/)
  t.throws(() => kubernetesSource({ serviceDiscoveryMode: 'service-dns' }), /needs a service name/)
  t.equal(kubernetesSource({ serviceDiscoveryMode: 'endpointslices', serviceName: ['vllm'] }).name, 'kubernetes')
})
