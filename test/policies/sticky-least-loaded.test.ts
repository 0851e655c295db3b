// sticky_least_loaded: a session stays with its worker, new ones begin where the fewest are, and what is remembered is bounded and true.
import fc from 'fast-check'
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import type { Worker } from '../../core/worker.ts'
import { stickyLeastLoaded } from '../../policies/index.ts'
import type { StickyLeastLoadedOptions } from '../../policies/index.ts'
import type { Policy, Routing } from '../../policies/policy.ts'
import { SessionHomes } from '../../policies/session-homes.ts'
import { conversation, routing } from '../helpers/routing.ts'
import { end, fleet, nth, seeded, send, serve, tally } from './setup.ts'

const session = (name: string | number): Routing => routing({ headers: { 'x-session-id': String(name) } })

interface Bench { policy: Policy, workers: Worker[], candidates: Candidates, time: { now: number } }

function bench (count: number, options: StickyLeastLoadedOptions = {}): Bench {
  const time = { now: 0 }
  const workers = fleet(count)
  const policy = stickyLeastLoaded({ now: () => time.now, random: seeded(1) }, options)
  for (const worker of workers) policy.workerAdded?.(worker)
  return { policy, workers, candidates: new Candidates(workers), time }
}

const counts = ({ policy, workers }: Bench): number[] => workers.map(worker => policy.size?.(worker) ?? 0)

t.test('sessions spread evenly and stay', async t => {
  const it = bench(8)
  const homes = Array.from({ length: 80 }, (_, i) => serve(it.policy, it.candidates, session(i)).worker)
  t.same(tally(it.workers, homes), Array(8).fill(10))
  t.same(counts(it), Array(8).fill(10))
  nth(it.workers, 0).acquire()
  homes.forEach((home, i) => {
    const decision = send(it.policy, it.candidates, session(i))
    if (decision.worker !== home || decision.reason !== 'header') t.fail(`session ${i} moved: ${decision.reason}`)
  })
})

t.test('where as many sessions are, requests in flight decide', async t => {
  const it = bench(3)
  nth(it.workers, 0).acquire()
  nth(it.workers, 2).acquire()
  t.same(it.policy.pick(it.candidates, session('new')), { worker: it.workers[1], reason: 'lower_load', session: 'header' })
})

t.test('an id that every request has anew hides no session', async t => {
  const it = bench(8)
  const turn = (i: number): Routing => routing({ headers: { 'x-request-id': `r${i}` }, session: 'session:a' })
  const { worker } = serve(it.policy, it.candidates, turn(0))
  for (let i = 1; i < 10; i++) t.same(serve(it.policy, it.candidates, turn(i)), { worker, reason: 'session', session: 'session' })
  const named = bench(8, { sessionHeaders: ['x-request-id'] })
  for (let i = 0; i < 16; i++) serve(named.policy, named.candidates, turn(i))
  t.same(counts(named), Array(8).fill(2), 'unless somebody says that it names one')
})

t.test('sessions count before requests', async t => {
  const it = bench(2)
  const home = serve(it.policy, it.candidates, session('one')).worker
  const other = it.workers.find(worker => worker !== home) as Worker
  for (let i = 0; i < 50; i++) other.acquire()
  t.same(it.policy.pick(new Candidates(it.workers), session('two')), { worker: other, reason: 'lower_load', session: 'header' })
})

t.test('a conversation is a session, too; what cannot be told apart is spread and not remembered', async t => {
  const it = bench(4)
  const first = serve(it.policy, it.candidates, conversation('system', 'question')).worker
  t.same(serve(it.policy, it.candidates, conversation('system', 'question', 'answer', 'more')), { worker: first, reason: 'conversation', session: 'conversation' })
  const others = Array.from({ length: 300 }, () => serve(it.policy, it.candidates, routing()))
  t.ok(others.every(({ reason, worker }) => reason === 'no_key' && worker !== first))
  t.same(counts(it).reduce((sum, count) => sum + count), 1)
})

t.test('another worker stands in while its own cannot, always the same one', async t => {
  const it = bench(5)
  const home = serve(it.policy, it.candidates, session('a')).worker
  const rest = it.candidates.without(new Set([home]))
  const deputy = serve(it.policy, rest, session('a')).worker
  t.not(deputy, home)
  for (let i = 0; i < 10; i++) t.same(serve(it.policy, rest, session('a')), { worker: deputy, reason: 'header', session: 'header' })
  t.equal(serve(it.policy, it.candidates, session('a')).worker, home, 'a retry moves nothing')
  t.equal(it.policy.size?.(deputy), 0)
})

t.test('a session moves when its worker was away for a minute', async t => {
  const it = bench(5)
  const home = serve(it.policy, it.candidates, session('a')).worker
  const rest = it.candidates.without(new Set([home]))
  const deputy = serve(it.policy, rest, session('a')).worker
  it.time.now = 59_999
  serve(it.policy, rest, session('a'))
  t.equal(it.policy.size?.(home), 1)
  it.time.now = 60_000
  serve(it.policy, rest, session('a'))
  t.same([it.policy.size?.(home), it.policy.size?.(deputy)], [0, 1])
  t.equal(serve(it.policy, it.candidates, session('a')).worker, deputy)
  t.equal(serve(it.policy, rest.without(new Set([deputy])), session('a')).worker === home, false, 'a new absence begins anew')
  it.time.now += 59_000
  serve(it.policy, rest.without(new Set([deputy])), session('a'))
  t.equal(it.policy.size?.(deputy), 1)
})

t.test('a session with two models has a worker for each, whichever comes', async t => {
  const it = bench(6)
  const large = new Candidates(it.workers.slice(0, 3))
  const small = new Candidates(it.workers.slice(3))
  const ask = (model: string, list: Candidates): Worker => serve(it.policy, list, routing({ model, headers: { 'x-session-id': 'agent' } })).worker
  const one = ask('large', large)
  const two = ask('small', small)
  for (let i = 0; i < 20; i++) {
    it.time.now += 50_000
    t.equal(ask('small', small), two)
    if (i % 3 === 0) t.equal(ask('large', large), one)
  }
  t.same([it.policy.size?.(one), it.policy.size?.(two)], [1, 1])
  for (let i = 0; i < 20; i++) ask(`made up ${i}`, small)
  t.equal(counts(it).reduce((sum, count) => sum + count), 8, 'models are bounded, too')
  t.equal(it.policy.finishSession?.('agent'), true)
  t.same(counts(it), [0, 0, 0, 0, 0, 0])
})

t.test('it moves at once when its worker is unhealthy or leaves', async t => {
  for (const state of ['unhealthy', 'draining'] as const) {
    const it = bench(5)
    const home = serve(it.policy, it.candidates, session('a')).worker
    home.state = state
    const other = serve(it.policy, it.candidates.without(new Set([home])), session('a')).worker
    home.state = 'ready'
    t.equal(serve(it.policy, it.candidates, session('a')).worker, other)
  }
})

t.test('the sessions of a worker that is gone begin anew, or stay with who stood in', async t => {
  const it = bench(4)
  for (let i = 0; i < 40; i++) serve(it.policy, it.candidates, session(i))
  const home = it.policy.pick(it.candidates, session(0)).worker
  const rest = it.candidates.without(new Set([home]))
  const deputy = serve(it.policy, rest, session(0)).worker
  it.policy.workerRemoved?.(home)
  t.equal(it.policy.size?.(home), 0)
  const left = new Candidates(it.workers.filter(worker => worker !== home))
  t.equal(serve(it.policy, left, session(0)).worker, deputy)
  t.equal(it.policy.size?.(deputy), 11)
  for (let i = 0; i < 40; i++) serve(it.policy, left, session(i))
  const now = counts(it).filter(count => count > 0)
  t.equal(now.reduce((sum, count) => sum + count), 40)
  t.ok(Math.max(...now) - Math.min(...now) <= 1, now.join(' '))
})

t.test('finished sessions are free, however they were named', async t => {
  const it = bench(4)
  serve(it.policy, it.candidates, session('a'))
  serve(it.policy, it.candidates, routing({ session: 'session:a' }))
  serve(it.policy, it.candidates, routing({ session: 'user:a' }))
  serve(it.policy, it.candidates, session('b'.repeat(1000)))
  t.equal(it.policy.finishSession?.('a'), true)
  t.equal(counts(it).reduce((sum, count) => sum + count), 1)
  t.equal(it.policy.finishSession?.('a'), false)
  t.equal(it.policy.finishSession?.('b'.repeat(1000)), true)
  t.same(counts(it), [0, 0, 0, 0])
})

t.test('a session that is not used ends, and its worker is free for others', async t => {
  const it = bench(2, { sessionTtlSecs: 100 })
  const home = serve(it.policy, it.candidates, session('old')).worker
  const other = it.workers.find(worker => worker !== home)
  it.time.now = 99_000
  t.equal(it.policy.pick(it.candidates, session('old')).worker, home)
  it.time.now = 100_001
  serve(it.policy, it.candidates, session('one'))
  t.same(it.policy.size?.(home), 0, 'it is not counted any more once somebody looks')
  for (let i = 0; i < 9; i++) serve(it.policy, it.candidates, session(i))
  t.same(counts(it), [5, 5])
  t.ok(other)
})

t.test('a table that is full forgets the one not used for longest, about', async t => {
  const it = bench(2, { maxSessions: 100 })
  for (let i = 0; i < 100; i++) serve(it.policy, it.candidates, session(i))
  it.time.now = 40_000
  const used = [0, 1, 2, 3, 4].map(i => serve(it.policy, it.candidates, session(i)))
  for (let i = 100; i < 190; i++) serve(it.policy, it.candidates, session(i))
  t.equal(counts(it).reduce((sum, count) => sum + count), 100)
  t.ok(used.every(({ reason }) => reason === 'header'))
  for (const i of [0, 1, 2, 3, 4]) t.equal(it.policy.pick(it.candidates, session(i)).reason, 'header', `session ${i} is known`)
  t.not(it.policy.pick(it.candidates, session(50)).reason, 'header')
})

t.test('of a full table one that was used a moment ago stays, too', async t => {
  const it = bench(2, { maxSessions: 100 })
  for (let i = 0; i < 100; i++) serve(it.policy, it.candidates, session(i))
  it.time.now = 1000
  serve(it.policy, it.candidates, session(0))
  for (let i = 100; i < 150; i++) serve(it.policy, it.candidates, session(i))
  t.equal(it.policy.pick(it.candidates, session(0)).reason, 'header')
  t.not(it.policy.pick(it.candidates, session(1)).reason, 'header')
})

t.test('counts are those of the table, whatever happens', async t => {
  const step = fc.record({ kind: fc.constantFrom('send', 'send', 'send', 'away', 'wait', 'long', 'finish', 'leave', 'come'), n: fc.nat(25), w: fc.nat() })
  fc.assert(fc.property(fc.array(step, { minLength: 30, maxLength: 200 }), steps => {
    const it = bench(5, { maxSessions: 12, sessionTtlSecs: 300 })
    let present = [...it.workers]
    const flying: Array<{ worker: Worker, request: Routing }> = []
    for (const { kind, n, w } of steps) {
      const candidates = new Candidates(present)
      const some = present.length > 1 && kind === 'away' ? candidates.without(new Set([nth(present, w % present.length)])) : candidates
      if (kind === 'send' || kind === 'away') {
        if (present.length === 0) continue
        const { worker } = send(it.policy, some, session(n))
        flying.push({ worker, request: session(n) })
        for (const { worker, request } of flying.splice(0, w % 2)) end(it.policy, worker, request)
      } else if (kind === 'wait') it.time.now += 1000 * n
      else if (kind === 'long') it.time.now += 40_000
      else if (kind === 'finish') it.policy.finishSession?.(String(n))
      else if (kind === 'leave' && present.length > 0) {
        const worker = nth(present, w % present.length)
        present = present.filter(other => other !== worker)
        it.policy.workerRemoved?.(worker)
      } else if (kind === 'come') {
        const worker = it.workers.find(other => !present.includes(other))
        if (worker === undefined) continue
        present.push(worker)
        it.policy.workerAdded?.(worker)
      }
      const total = counts(it)
      if (total.some(count => count < 0)) throw new Error(`counts ${total.join(' ')}`)
      if (total.reduce((sum, count) => sum + count) > 12) throw new Error('too many')
      for (const worker of it.workers) if (!present.includes(worker) && (it.policy.size?.(worker) ?? 0) !== 0) throw new Error('sessions of one that left')
    }
    for (let i = 0; i <= 25; i++) it.policy.finishSession?.(String(i))
    if (counts(it).some(count => count !== 0)) throw new Error(`left ${counts(it).join(' ')}`)
  }), { seed: 71, numRuns: 200 })
  t.pass('no counterexample')
})

t.test('the table keeps to its size where all sessions are in use', async t => {
  const [worker] = fleet(1) as [Worker]
  const homes = new SessionHomes({ capacity: 50, ttlMs: 1e9, patienceMs: 1000, counted: () => {} })
  for (let now = 0; now < 40; now++) {
    for (let i = 0; i < 60; i++) homes.use(i, undefined, worker, now * 31_000 + i)
    t.ok(homes.size <= 50, `${homes.size}`)
    t.equal(homes.count(worker), homes.size)
  }
})

t.test('processes tell each other, and agree', async t => {
  const workers = fleet(6)
  const time = { now: 0 }
  const lists = [1, 2].map(() => new Candidates(workers))
  const both = [1, 2].map(seed => stickyLeastLoaded({ now: () => time.now, random: seeded(seed) }))
  const [one, two] = both as [Policy, Policy]
  const [here, there] = lists as [Candidates, Candidates]
  t.same(both.map(policy => policy.takeSessions?.()), [[], []], 'noted from now on')
  const tell = (): void => {
    const news = both.map(policy => policy.takeSessions?.() ?? [])
    for (const session of news[0] ?? []) two.sessionHeard?.(session)
    for (const session of news[1] ?? []) one.sessionHeard?.(session)
  }
  // each begins some, some at the same time, and some with several models
  for (let i = 0; i < 60; i++) {
    const request = routing({ model: `m${i % 2}`, headers: { 'x-session-id': `s${i}` } })
    if (i % 3 !== 1) serve(one, here, request)
    if (i % 3 !== 0) serve(two, there, request)
  }
  tell()
  const sizes = (policy: Policy): number[] => workers.map(worker => policy.size?.(worker) ?? 0)
  t.same(sizes(one), sizes(two))
  t.equal(sizes(one).reduce((sum, size) => sum + size), 60)
  const compare = (): void => {
    for (let i = 0; i < 60; i++) {
      const request = routing({ model: `m${i % 2}`, headers: { 'x-session-id': `s${i}` } })
      t.equal(one.pick(here, request).worker, two.pick(there, request).worker, `session ${i}`)
    }
  }
  compare()
  // one worker fails in one process only
  const [failing] = workers as [Worker]
  failing.state = 'unhealthy'
  for (let i = 0; i < 60; i++) serve(one, here.without(new Set([failing])), routing({ model: `m${i % 2}`, headers: { 'x-session-id': `s${i}` } }))
  tell()
  t.equal(one.size?.(failing), 0)
  t.same(sizes(one), sizes(two))
  failing.state = 'ready'
  compare()
  // in use in one process for longer than the other remembers
  for (let hour = 1; hour <= 3; hour++) {
    time.now += 3_600_000
    serve(one, here, session('s0'))
    tell()
  }
  const request = session('s0')
  t.same(two.pick(there, request), { worker: one.pick(here, request).worker, reason: 'header', session: 'header' })
  one.workerRemoved?.(failing)
  one.sessionHeard?.({ session: 1, model: undefined, worker: failing })
  t.equal(one.size?.(failing), 0, 'one that left is not brought back')
})
