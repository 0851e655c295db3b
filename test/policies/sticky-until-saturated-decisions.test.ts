// sticky_until_saturated: warm until waiting there costs more than computing again, whatever told it where the cache is.
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import type { Worker } from '../../core/worker.ts'
import { maxSessions, SessionTable } from '../../policies/session-table.ts'
import { stickyUntilSaturated } from '../../policies/index.ts'
import type { Policy, Routing } from '../../policies/policy.ts'
import { conversation, routing } from '../helpers/routing.ts'
import { context, end, fleet, nth, send, serve, tally } from './setup.ts'

const text = (letter: string, kilobytes: number): string => letter.repeat(1024 * kilobytes)

/** Sends a worker a prompt of its own that nobody has, which it has not computed. */
function wait (policy: Policy, worker: Worker, kilobytes: number): void {
  policy.dispatched?.(worker, routing({ text: `${worker.id} ${text('w', kilobytes)}` }))
}

t.test('a turn follows its conversation, though others are idle', async t => {
  const workers = fleet(4)
  const candidates = new Candidates(workers)
  const policy = stickyUntilSaturated(context())
  const home = nth(workers, 2)
  policy.dispatched?.(home, routing({ text: text('a', 16) }))
  policy.firstByte?.(home, routing({ text: text('a', 16) }))
  const decision = policy.pick(candidates, routing({ text: text('a', 16) + text('b', 16) }))
  t.match(decision, { worker: home, reason: 'prefix_hit', match: 0.5, uncachedTokens: 4096 })
})

t.test('it is left when what waits there is more than computing again is worth', async t => {
  const turn = routing({ text: text('a', 16) + text('b', 1) })
  for (const [waiting, reason] of [[8, 'prefix_hit'], [40, 'prefix_hit'], [120, 'imbalance']] as const) {
    const workers = fleet(2)
    const [home, other] = [nth(workers, 0), nth(workers, 1)]
    const policy = stickyUntilSaturated(context())
    serve(policy, new Candidates([home]), routing({ text: text('a', 16) }))
    wait(policy, home, waiting)
    const decision = policy.pick(new Candidates(workers), turn)
    t.equal(decision.reason, reason, `${waiting} KiB wait in front of 16 KiB known`)
    t.equal(decision.worker, reason === 'imbalance' ? other : home)
  }
})

t.test('when everybody waits as long, it is kept', async t => {
  const workers = fleet(2)
  const policy = stickyUntilSaturated(context())
  const home = nth(workers, 0)
  serve(policy, new Candidates([home]), routing({ text: text('a', 16) }))
  for (const worker of workers) wait(policy, worker, 120)
  t.match(policy.pick(new Candidates(workers), routing({ text: text('a', 17) })), { worker: home, reason: 'prefix_hit' })
})

t.test('a burst is spread: each request is charged when it is sent', async t => {
  const workers = fleet(8)
  const policy = stickyUntilSaturated(context())
  const candidates = new Candidates(workers)
  const chosen = Array.from({ length: 64 }, (_, i) => send(policy, candidates, routing({ text: `${i} ${text('q', 8)}` })).worker)
  t.same(tally(workers, chosen), workers.map(() => 8))
})

t.test('a short one does not stand behind a long one', async t => {
  const workers = fleet(2)
  const policy = stickyUntilSaturated(context())
  wait(policy, nth(workers, 0), 400)
  for (let i = 0; i < 5; i++) wait(policy, nth(workers, 1), 2)
  t.equal(policy.pick(new Candidates(workers), routing({ text: text('s', 1) })).worker, workers[1])
})

t.test('the session decides where the text does not', async t => {
  const workers = fleet(8)
  const candidates = new Candidates(workers)
  for (const request of [
    (turn: number): Routing => routing({ session: 'session:a', text: `short ${turn}` }),
    (turn: number): Routing => routing({ headers: { 'x-session-id': 'a' }, text: `${turn} ${text('x', 4)}` }),
    (turn: number): Routing => routing({ headers: { 'x-claude-code-session-id': 'a', 'x-request-id': String(turn) } })
  ]) {
    const policy = stickyUntilSaturated(context())
    const home = serve(policy, candidates, request(0)).worker
    for (let turn = 1; turn < 20; turn++) t.match(serve(policy, candidates, request(turn)), { worker: home, reason: 'session', match: 0 })
  }
})

t.test('headers that name a request or a tenant are no session', async t => {
  const workers = fleet(8)
  const candidates = new Candidates(workers)
  const policy = stickyUntilSaturated(context())
  const chosen = Array.from({ length: 64 }, (_, i) => send(policy, candidates, routing({ headers: { 'x-tenant-id': 'all', 'x-user-id': 'all' }, text: `${i} ${text('x', 4)}` })).worker)
  t.same(tally(workers, chosen), workers.map(() => 8))
})

t.test('a session goes elsewhere when its worker cannot be picked, and is forgotten with it', async t => {
  const workers = fleet(3)
  const policy = stickyUntilSaturated(context())
  const request = routing({ session: 'session:a' })
  const home = serve(policy, new Candidates(workers), request).worker
  const others = workers.filter(worker => worker !== home)
  t.not(policy.pick(new Candidates(others), request).worker, home)
  policy.workerLost?.(home)
  t.match(policy.pick(new Candidates(workers), request), { reason: 'prefix_miss' })
})

t.test('turns are recognised without a session, and a prompt that all share keeps nobody', async t => {
  const workers = fleet(8)
  const candidates = new Candidates(workers)
  const policy = stickyUntilSaturated(context())
  const system = 'You are a helpful assistant. '.repeat(800)
  const turns = (who: number, count: number): Routing => conversation(system, ...Array.from({ length: count }, (_, turn) => `${who} says ${turn} ${'word '.repeat(400)}`))
  const homes = Array.from({ length: 200 }, (_, who) => serve(policy, candidates, turns(who, 1)).worker)
  const counts = tally(workers, homes)
  t.ok(Math.max(...counts) <= 1.5 * 25, counts.join(' '))
  for (const count of [2, 3]) for (const [who, home] of homes.entries()) t.equal(serve(policy, candidates, turns(who, count)).worker, home, `turn ${count} of ${who}`)
})

t.test('prompts of many tenants stay apart', async t => {
  const workers = fleet(4)
  const candidates = new Candidates(workers)
  const policy = stickyUntilSaturated(context())
  const where = new Map<number, Set<Worker>>()
  for (let i = 0; i < 800; i++) {
    const tenant = i % 40
    const { worker } = serve(policy, candidates, conversation(`tenant ${tenant} `.repeat(1000), `${i} asks ${'word '.repeat(100)}`))
    where.set(tenant, (where.get(tenant) ?? new Set()).add(worker))
  }
  const copies = [...where.values()].reduce((sum, one) => sum + one.size, 0)
  t.ok(copies <= 50, `${copies} copies of 40 prompts`)
})

t.test('retries: each attempt is charged to its worker and taken off once', async t => {
  const workers = fleet(2)
  const [one, two] = [nth(workers, 0), nth(workers, 1)]
  const policy = stickyUntilSaturated(context())
  const request = routing({ text: text('r', 200) })
  policy.dispatched?.(one, request)
  policy.dispatched?.(two, request)
  policy.finished?.(one, request, { ok: false, firstByteMs: undefined, durationMs: 1, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined })
  t.equal(policy.pick(new Candidates(workers), routing({ text: text('s', 1) })).worker, one, 'the other still has it')
  policy.finished?.(two, request, { ok: true, firstByteMs: 1, durationMs: 2, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined })
  wait(policy, one, 1)
  t.equal(policy.pick(new Candidates(workers), routing({ text: text('s', 1) })).worker, two, 'and has not any more')
})

t.test('what a cache has no room for is forgotten', async t => {
  const workers = fleet(2)
  const candidates = new Candidates(workers)
  const policy = stickyUntilSaturated(context())
  // 8 KiB at four bytes a token
  for (const worker of workers) worker.kvTokens = 2048
  const first = routing({ text: text('a', 4) })
  const home = serve(policy, candidates, first).worker
  t.match(policy.pick(candidates, first), { worker: home, match: 1 })
  for (const letter of ['b', 'c']) serve(policy, new Candidates([home]), routing({ text: text(letter, 4) }))
  t.match(policy.pick(candidates, first), { reason: 'prefix_miss', match: 0 })
  t.ok((policy.size?.(home) ?? 0) <= 32)
})

t.test('sessions are bounded, and the one not heard of for longest makes room', async t => {
  const [one, two] = fleet(2)
  if (one === undefined || two === undefined) throw new Error('no fleet')
  const table = new SessionTable(3)
  for (const key of ['a', 'b', 'c', 'a', 'd']) table.sent(key, one, 1)
  t.equal(table.size, 3)
  t.same(['a', 'b', 'c', 'd'].map(key => table.find(key)?.worker), [one, undefined, one, one])
  table.sent('a', two, 5)
  table.remove(one)
  t.same([table.find('a'), table.find('c')], [{ worker: two, tokens: 5 }, undefined])
  t.ok(maxSessions <= 100_000)
})

t.test('a worker that left is charged nothing, and its place is clean for the next', async t => {
  const workers = fleet(2)
  const [one, two] = [nth(workers, 0), nth(workers, 1)]
  const policy = stickyUntilSaturated(context())
  for (const worker of workers) policy.workerAdded?.(worker)
  const request = routing({ text: text('x', 100) })
  policy.dispatched?.(one, request)
  policy.workerRemoved?.(one)
  const third = nth(fleet(3), 2)
  policy.workerAdded?.(third)
  wait(policy, two, 1)
  t.equal(policy.pick(new Candidates([two, third]), routing({ text: text('s', 1) })).worker, third)
  end(policy, one, request)
  t.equal(policy.pick(new Candidates([two, third]), routing({ text: text('s', 1) })).worker, third)
})
