// The Rust router's five policies do in replays what its description says.
import t from 'tap'
import { rustCacheAware, rustConsistentHash, rustPolicies, rustPowerOfTwo, rustRandom, rustRoundRobin } from '../../bench/replay/baselines/index.ts'
import { RadixTree } from '../../bench/replay/baselines/radix-tree.ts'
import { Candidates } from '../../core/candidates.ts'
import { Worker } from '../../core/worker.ts'
import { createPolicy } from '../../policies/index.ts'
import type { Policy, Routing } from '../../policies/index.ts'

function fleet (...inFlight: number[]): Worker[] {
  return inFlight.map((count, at) => {
    const worker = new Worker({ url: `http://127.0.0.1:${18001 + at}` })
    for (let i = 0; i < count; i++) worker.acquire()
    return worker
  })
}

/** A request with blocks of 100 bytes; its last bytes fill no block. */
function request (blocks: readonly number[], { rest = 0, headers = {}, session }: { rest?: number, headers?: Record<string, string>, session?: string } = {}): Routing {
  return {
    model: 'm',
    header: name => headers[name],
    session,
    opening: undefined,
    prefix: { hashes: blocks, ends: blocks.map((_, at) => (at + 1) * 100), length: blocks.length * 100 + rest }
  }
}

const none = request([])
const nameOf = (workers: readonly Worker[], policy: Policy, routing: Routing): number => workers.indexOf(policy.pick(new Candidates(workers), routing).worker)
/** Numbers in turn. */
function turns (...values: number[]): () => number {
  let at = 0
  return () => values[at++ % values.length] ?? 0
}
const context = (random = turns(0), now = (): number => 0): { random: () => number, now: () => number } => ({ random, now })

t.test('round_robin: counter modulo eligible, one counter for all lists', async t => {
  const workers = fleet(9, 0, 0)
  const policy = rustRoundRobin()
  t.same([0, 1, 2, 3].map(() => nameOf(workers, policy, none)), [0, 1, 2, 0])
  t.equal(nameOf(workers.slice(0, 2), policy, none), 0, 'the fifth request of two: 4 modulo 2')
})

t.test('random: uniform', async t => {
  const workers = fleet(9, 0, 0, 0)
  t.same([0, 0.26, 0.51, 0.99].map(value => nameOf(workers, rustRandom(context(turns(value))), none)), [0, 1, 2, 3])
})

t.test('power_of_two: two different ones, the lower load, the first of equals', async t => {
  // the first draw takes of n, the second of the n - 1 others
  for (const [loads, draws, expected] of [[[3, 1, 0], [0, 0], 1], [[3, 1, 0], [0.4, 0.9], 2], [[1, 1, 0], [0.4, 0], 1], [[1, 1, 0], [0, 0], 0], [[7], [0], 0]] as const) {
    t.equal(nameOf(fleet(...loads), rustPowerOfTwo(context(turns(...draws))), none), expected)
  }
})

t.test('consistent_hash', async t => {
  const workers = fleet(0, 0, 0, 0, 0)
  const candidates = new Candidates(workers)
  const policy = rustConsistentHash()
  const own = createPolicy('consistent_hash', {}, context())
  for (let i = 0; i < 50; i++) {
    const routing = request([], { headers: { 'x-session-id': `user-${i}` } })
    t.equal(policy.pick(candidates, routing).worker, own.pick(candidates, routing).worker, 'a session header: the ring that was checked against the original')
  }
  const asked = Array.from({ length: 20 }, (_, at) => policy.pick(candidates, request([at, at + 100])).worker)
  t.equal(new Set(asked).size, 1, 'chats without a header all go to one worker')
  t.equal(policy.pick(candidates, request([1], { session: 'user:a' })).worker, asked[0], 'user is ignored for chats')
  const sessions = Array.from({ length: 20 }, (_, at) => policy.pick(candidates, request([1], { session: `session:${at}` })).worker)
  t.ok(new Set(sessions).size > 2, 'session_params are not')
})

t.test('cache_aware', async t => {
  t.test('at rest everything unknown goes to the first of the list', async t => {
    const workers = fleet(0, 0, 0)
    const policy = rustCacheAware(context())
    t.same([1, 2, 3].map(block => nameOf(workers, policy, request([block]))), [0, 0, 0])
  })

  t.test('more than the threshold of the text, or the least loaded', async t => {
    const workers = fleet(1, 0)
    const policy = rustCacheAware(context(), { cacheThreshold: 0.5 })
    const loads = new Candidates(workers)
    t.equal(policy.pick(loads, request([1, 2])).worker, workers[1], 'unknown: the least loaded')
    workers[1]?.acquire()
    workers[1]?.acquire()
    for (const [blocks, rest, expected] of [[[1, 2, 3], 0, 1], [[1, 2, 3, 4], 0, 0], [[1, 2, 3], 99, 1], [[7, 2], 0, 0]] as const) {
      // a policy of its own each time, as every choice teaches it
      const fresh = rustCacheAware(context(), { cacheThreshold: 0.5 })
      const [one, two] = fleet(2, 1)
      if (one === undefined || two === undefined) throw new Error('no workers')
      const list = new Candidates([one, two])
      fresh.pick(list, request([1, 2]))
      two.acquire()
      two.acquire()
      t.equal([one, two].indexOf(fresh.pick(list, request(blocks, { rest })).worker), expected, `${blocks.length} blocks and ${rest}`)
    }
  })

  t.test('of several that have it the least loaded', async t => {
    const workers = fleet(5, 0, 0)
    const policy = rustCacheAware(context())
    const one = workers.slice(0, 1)
    policy.pick(new Candidates(one), request([1, 2]))
    policy.pick(new Candidates(workers.slice(1, 2)), request([1, 2]))
    workers[1]?.acquire()
    t.equal(nameOf(workers, policy, request([1, 2])), 1)
  })

  t.test('out of balance: the least loaded, whatever it knows, and it learns', async t => {
    for (const [loads, abs, rel, expected] of [[[10, 1], 8, 1.5, 1], [[9, 1], 8, 1.5, 0], [[30, 20], 8, 1.5, 0], [[31, 20], 8, 1.5, 1]] as const) {
      const workers = fleet(...loads)
      const policy = rustCacheAware(context(), { balanceAbsThreshold: abs, balanceRelThreshold: rel })
      policy.pick(new Candidates(workers.slice(0, 1)), request([1, 2]))
      t.equal(nameOf(workers, policy, request([1, 2])), expected, `${loads.join(' and ')}`)
    }
    const workers = fleet(100, 0)
    const policy = rustCacheAware(context())
    policy.pick(new Candidates(workers), request([1, 2]))
    for (let i = 0; i < 50; i++) workers[1]?.acquire()
    t.equal(nameOf(workers, policy, request([1, 2])), 1, 'the one it went to has it now')
  })

  t.test('between two runs of the eviction nothing is forgotten, then the oldest leaves are', async t => {
    let now = 0
    const workers = fleet(0, 1)
    // 200 characters a block of 100 bytes: room for two blocks
    const policy = rustCacheAware(context(turns(0), () => now), { maxTreeSize: 400, evictionInterval: 120 })
    const knows = (blocks: readonly number[]): boolean => {
      const list = new Candidates([...workers])
      return policy.pick(list, request(blocks)).reason === 'prefix_hit'
    }
    for (let at = 1; at <= 5; at++) {
      now = at * 1000
      policy.pick(new Candidates(workers.slice(0, 1)), request([at]))
    }
    now = 119_000
    t.ok(knows([1]), 'more than the bound, and still known')
    now = 120_000
    t.notOk(knows([2]), 'an old one')
    t.ok(knows([5]), 'a young one')
  })

  t.test('a tree counts a text once for each worker', async t => {
    const [one, two] = fleet(0, 0)
    if (one === undefined || two === undefined) throw new Error('no workers')
    const tree = new RadixTree()
    tree.insert({ units: [1, 2, 3], ends: [10, 20, 30] }, one, 1, false)
    tree.insert({ units: [1, 2, 4], ends: [10, 20, 35] }, one, 2, false)
    tree.insert({ units: [1, 5], ends: [10, 40] }, two, 3, false)
    t.same([tree.size(one), tree.size(two)], [45, 40])
    t.match(tree.match({ units: [1, 2, 9], ends: [10, 20, 50] }), { characters: 20, tenants: new Set([one]) })
    t.equal(tree.match({ units: [1, 9], ends: [10, 50] }).tenants.size, 2)
    tree.evict(30)
    t.same([tree.size(one), tree.size(two)], [20, 10], 'leaves go as a whole, the oldest first')
    t.equal(tree.match({ units: [1, 2, 3], ends: [10, 20, 30] }).characters, 20)
    tree.remove(one)
    t.equal(tree.size(one), 0)
    t.same([...tree.match({ units: [1, 2], ends: [10, 20] }).tenants], [two])
  })
})

t.test('five of them', async t => {
  t.same(Object.keys(rustPolicies), ['rust_cache_aware', 'rust_consistent_hash', 'rust_power_of_two', 'rust_random', 'rust_round_robin'])
  for (const [name, make] of Object.entries(rustPolicies)) t.equal(make(context()).name, name)
})
