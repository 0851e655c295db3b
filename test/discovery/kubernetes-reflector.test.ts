// A collection is followed through everything that can happen to a list and a watch, in time that only passes as the test says.
import t from 'tap'
import type { Test } from 'tap'
import { ApiError } from '../../discovery/kubernetes/api.ts'
import { Reflector } from '../../discovery/kubernetes/reflector.ts'
import type { ReflectorOptions } from '../../discovery/kubernetes/reflector.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { Store } from './kubernetes-store.ts'

interface Setup {
  readonly store: Store
  readonly clock: ManualClock
  readonly reflector: Reflector<{ uid: string, version: string }>
  readonly log: string[]
  changes: number
  uids (): string[]
  /** Lets everything that is under way come to its next wait. */
  settle (): Promise<void>
  /** Lets time pass in small steps, so that what a timer sets going can set others. */
  pass (milliseconds: number): Promise<void>
}

function setup (t: Test, options: Partial<ReflectorOptions<{ uid: string, version: string }>> = {}): Setup {
  const store = new Store()
  const clock = new ManualClock()
  const log: string[] = []
  const it: Setup = {
    store,
    clock,
    log,
    changes: 0,
    reflector: new Reflector({
      api: store,
      path: '/api/v1/pods',
      labelSelector: 'app=vllm',
      what: 'pods in namespace "models"',
      resource: 'pods',
      read: ({ metadata }) => ({ uid: metadata?.uid ?? '', version: metadata?.resourceVersion ?? '' }),
      changed: () => { it.changes++ },
      resyncMs: 60_000,
      silenceMs: 90_000,
      clock,
      random: () => 0.5,
      log: { info: (_details, message) => { log.push(`info ${message}`) }, warn: (_details, message) => { log.push(`warn ${message}`) } },
      ...options
    }),
    uids: () => [...it.reflector.items()].map(({ uid }) => uid).sort(),
    async settle () { for (let i = 0; i < 6; i++) await clock.advance(0) },
    async pass (milliseconds) {
      for (let i = 0; i < 100; i++) await clock.advance(milliseconds / 100)
      await it.settle()
    }
  }
  t.teardown(() => it.reflector.stop())
  return it
}

t.test('a list, then what the watch says', async t => {
  const { store, reflector, uids, settle, ...it } = setup(t)
  store.put('a')
  store.put('b')
  reflector.start()
  t.equal(reflector.listed, false)
  await settle()
  t.same(uids(), ['a', 'b'])
  t.equal(reflector.listed, true)
  store.put('c')
  store.delete('a')
  t.same(uids(), ['b', 'c'], 'at once')
  const [list, watch] = store.asked
  t.equal(list?.get('labelSelector'), 'app=vllm')
  t.same([watch?.get('watch'), watch?.get('allowWatchBookmarks'), watch?.get('resourceVersion'), watch?.get('labelSelector')], ['true', 'true', '102', 'app=vllm'])
  t.ok(Number(watch?.get('timeoutSeconds')) >= 300)
  t.equal(store.asked.length, 2)
  t.same(it.log, [])
  t.equal(reflector.trouble, undefined)
})

t.test('pages', async t => {
  const { store, reflector, settle } = setup(t)
  for (let i = 0; i < 450; i++) store.put(`p${i}`)
  reflector.start()
  await settle()
  await settle()
  t.equal(reflector.size, 450)
  t.same(store.asked.filter(query => query.get('watch') === null).map(query => [query.get('limit'), query.get('continue')]), [['200', null], ['200', '550 200'], ['200', '550 400']])
  t.equal(store.asked.at(-1)?.get('resourceVersion'), '550')
})

t.test('pages that are forgotten meanwhile: one whole list', async t => {
  const { store, reflector, settle } = setup(t)
  for (let i = 0; i < 250; i++) store.put(`p${i}`)
  let release = (): void => {}
  store.gate = new Promise(resolve => { release = resolve })
  reflector.start()
  await settle()
  store.put('late')
  store.oldest = 351
  store.gate = undefined
  release()
  await settle()
  await settle()
  t.equal(reflector.size, 251)
  t.equal(store.asked.filter(query => query.get('watch') === null).at(-1)?.get('limit'), null)
})

t.test('a watch that the server ends is opened again from where it was, at once', async t => {
  const { store, reflector, uids, pass, settle } = setup(t)
  reflector.start()
  await settle()
  store.put('a')
  store.bookmark()
  store.endWatches()
  store.put('b')
  await settle()
  t.same(uids(), ['a', 'b'])
  t.equal(store.asked.at(-1)?.get('resourceVersion'), '101')
  t.equal(reflector.watchRestarts.get('ended'), 1)
  await pass(20_000)
  store.bookmark()
  store.endWatches()
  await settle()
  t.equal(store.asked.at(-1)?.get('resourceVersion'), '102', 'a bookmark moves it, too')
  t.equal(store.watches.size, 1)
})

t.test('a version that is too old: a list, and what was known stays until then', async t => {
  const { store, reflector, uids, pass, settle } = setup(t)
  store.put('a')
  store.put('b')
  reflector.start()
  await settle()
  store.frozen = true
  store.delete('a')
  store.put('c')
  store.oldest = 104
  store.frozen = false
  let release = (): void => {}
  store.gate = new Promise(resolve => { release = resolve })
  store.endWatches(new Error('broken'))
  await pass(10_000)
  t.equal(reflector.watchRestarts.get('expired'), 1)
  t.same(uids(), ['a', 'b'])
  release()
  await settle()
  t.same(uids(), ['b', 'c'])
  t.same([...reflector.relists], [['start', 1], ['expired', 1]])
  t.equal(store.watches.size, 1)
})

t.test('a watch that says nothing is given up; a bookmark is something', async t => {
  const { store, reflector, uids, pass, settle, log } = setup(t, { resyncMs: 10_000_000 })
  reflector.start()
  await settle()
  for (let i = 0; i < 5; i++) {
    await pass(80_000)
    store.bookmark()
  }
  t.equal(reflector.watchRestarts.size, 0)
  t.ok(reflector.staleMs < 1000)
  store.frozen = true
  store.put('a')
  await pass(89_000)
  t.equal(reflector.watchRestarts.size, 0)
  t.ok(reflector.staleMs > 88_000)
  store.frozen = false
  await pass(2000)
  t.equal(reflector.watchRestarts.get('silent'), 1)
  t.same(uids(), ['a'])
  t.equal(store.watches.size, 1, 'the other one is closed')
  t.same(log, ['warn kubernetes: the watch on pods in namespace "models" delivered nothing for too long, opening another'])
})

t.test('a list finds what a dead watch did not say, and ends it', async t => {
  const { store, reflector, uids, pass, settle } = setup(t)
  store.put('a')
  store.put('b')
  reflector.start()
  await settle()
  store.frozen = true
  store.delete('a')
  store.put('c')
  await pass(50_000)
  t.same(uids(), ['a', 'b'])
  store.frozen = false
  await pass(12_000)
  t.same(uids(), ['b', 'c'])
  t.equal(reflector.watchRestarts.get('behind'), 1)
  t.equal(reflector.relists.get('resync'), 1)
  store.put('d')
  t.same(uids(), ['b', 'c', 'd'], 'the new one works')
  await pass(120_000)
  t.equal(reflector.watchRestarts.get('behind'), 1, 'a list that shows nothing new leaves the watch alone')
  t.equal(reflector.relists.get('resync'), 3)
})

t.test('what happens while a list is under way is neither lost nor undone', async t => {
  const { store, reflector, uids, pass, settle } = setup(t)
  store.put('a')
  reflector.start()
  await settle()
  let release = (): void => {}
  store.gate = new Promise(resolve => { release = resolve })
  await pass(66_000)
  store.delete('a')
  store.put('b')
  t.same(uids(), ['b'], 'nothing waits for the list')
  release()
  await settle()
  t.same(uids(), ['b'])
  t.equal(reflector.watchRestarts.size, 0)
})

t.test('an API server that is away', async t => {
  const { store, reflector, uids, pass, settle, log } = setup(t)
  store.put('a')
  reflector.start()
  await settle()
  const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:443'), { code: 'ECONNREFUSED' })
  store.watchErrors.push(...Array.from({ length: 8 }, refused))
  store.listErrors.push(...Array.from({ length: 3 }, refused))
  store.endWatches(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }))
  await settle()
  t.equal(reflector.trouble, 'cannot watch pods in namespace "models": the connection broke')
  const asked = store.asked.length
  await pass(150)
  t.equal(store.asked.length, asked + 1, 'the first pause is short')
  t.equal(reflector.trouble, 'cannot watch pods in namespace "models": connection refused')
  const times: number[] = []
  for (let at = 0, before = store.asked.length; store.watchErrors.length > 0; at += 50) {
    await pass(50)
    if (store.asked.length > before) times.push(at)
    before = store.asked.length
  }
  const pauses = times.slice(1).map((time, i) => time - (times[i] ?? 0))
  const expected = [600, 1200, 2400, 3750, 3750, 3750]
  t.ok(pauses.length === expected.length && pauses.every((pause, i) => Math.abs(pause - (expected[i] ?? 0)) <= 50), `they double, up to five seconds less chance: ${pauses.join(' ')}`)
  t.same(uids(), ['a'], 'what was known stays')
  await pass(10_000)
  t.equal(reflector.trouble, undefined)
  await pass(60_000)
  t.equal(store.listErrors.length, 0, 'lists were tried as well')
  t.ok(Number(reflector.relists.get('resync')) >= 1)
  t.same(log, [
    'warn kubernetes: cannot watch pods in namespace "models": the connection broke; the last known list stays in force',
    'warn kubernetes: cannot watch pods in namespace "models": connection refused; the last known list stays in force',
    'info kubernetes: pods in namespace "models" can be followed again',
    'warn kubernetes: cannot list pods in namespace "models": connection refused; the last known list stays in force',
    'info kubernetes: pods in namespace "models" can be followed again'
  ], 'each is told once')
})

t.test('an API server that does not answer', async t => {
  const { store, reflector, pass } = setup(t)
  store.dead = true
  reflector.start()
  await pass(11_000)
  t.equal(reflector.trouble, 'cannot list pods in namespace "models": no answer within 10 s')
  store.dead = false
  await pass(11_000)
  t.equal(reflector.listed, true, 'the next attempt, which had begun before, has been given up as well')
  t.equal(reflector.trouble, undefined)
  store.dead = true
  store.endWatches(new Error('broken'))
  await pass(11_000)
  t.equal(reflector.trouble, 'cannot watch pods in namespace "models": no answer within 10 s')
})

t.test('rights that are missing are named', async t => {
  for (const [status, text] of [
    [403, 'not allowed to list pods in namespace "models" (403): grant get, list and watch on pods'],
    [401, 'not allowed to list pods in namespace "models" (401): the API server does not accept the credentials'],
    [500, 'cannot list pods in namespace "models": as told (500)']
  ] as const) {
    const { store, reflector, pass, settle, log } = setup(t)
    store.listErrors.push(new ApiError(status, 'as told'), new ApiError(status, 'as told'))
    reflector.start()
    await settle()
    t.equal(reflector.trouble, text)
    t.same(log, [`warn kubernetes: ${text}`])
    await pass(1000)
    t.equal(reflector.trouble, undefined, 'and are asked for again')
    t.same(log.slice(1), ['info kubernetes: pods in namespace "models" can be followed again'])
  }
})

t.test('a watch that is not allowed: lists keep the copy true', async t => {
  const { store, reflector, uids, pass, settle } = setup(t)
  store.watchErrors.push(...Array.from({ length: 100 }, () => new ApiError(403, 'no')))
  reflector.start()
  await settle()
  store.put('a')
  await pass(70_000)
  t.same(uids(), ['a'])
  t.equal(reflector.trouble, 'not allowed to watch pods in namespace "models" (403): grant get, list and watch on pods')
})

t.test('lines that are no events', async t => {
  const { store, reflector, uids, pass, settle } = setup(t)
  reflector.start()
  await settle()
  for (const watch of store.watches) watch.send('{"type":"ADDED"}')
  for (const watch of store.watches) watch.send('{"type":"ADDED","object":{"metadata":{}}}')
  t.equal(store.watches.size, 1)
  for (const watch of store.watches) watch.send('<html>')
  await settle()
  t.equal(reflector.watchRestarts.get('failed'), 1)
  await pass(500)
  store.put('a')
  t.same(uids(), ['a'])
})

t.test('stopped, it leaves nothing behind', async t => {
  const moments: ReadonlyArray<(it: Setup) => void | Promise<void>> = [
    () => {},
    it => it.settle(),
    it => { it.store.dead = true },
    async it => {
      it.store.listErrors.push(new Error('no'))
      await it.settle()
    },
    async it => {
      await it.settle()
      it.store.endWatches(new Error('broken'))
      await it.settle()
    }
  ]
  for (const moment of moments) {
    const it = setup(t)
    it.reflector.start()
    await moment(it)
    it.reflector.stop()
    await it.settle()
    t.equal(it.clock.pending, 0, 'no timer')
    t.equal(it.store.watches.size, 0, 'no watch')
    const asked = it.store.asked.length
    await it.pass(1_000_000)
    t.equal(it.store.asked.length, asked)
  }
})
