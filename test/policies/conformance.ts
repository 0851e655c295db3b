// What every policy must keep to; each one runs this suite.
import { setFlagsFromString } from 'node:v8'
import { setImmediate } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import type { Test } from 'tap'
import { Candidates } from '../../core/candidates.ts'
import type { Worker } from '../../core/worker.ts'
import type { Policy, PolicyContext, Routing } from '../../policies/policy.ts'
import { conversation, routing } from '../helpers/routing.ts'
import { context, end, fleet, nth, ready, send } from './setup.ts'

type Make = (context: PolicyContext) => Policy

const reasons: ReadonlySet<string> = new Set([
  'round_robin', 'random', 'only_candidate', 'lower_load', 'equal_load', 'header', 'session', 'conversation', 'no_key',
  'prefix_hit', 'prefix_miss', 'imbalance', 'pinned'
])

/** Requests of every kind a policy tells apart, some with common beginnings. */
const requests: readonly Routing[] = [
  routing(),
  routing({ headers: { 'x-session-id': 'a' } }),
  routing({ headers: { 'x-trace-id': 'b' }, text: 'x'.repeat(3000) }),
  routing({ session: 'user:c' }),
  routing({ opening: 'short' }),
  routing({ opening: new Uint8Array([0xff, 0xfe, 0x00]) }),
  ...Array.from({ length: 6 }, (_, i) => conversation('system '.repeat(100), `question ${i % 3} `.repeat(40), `more ${i} `.repeat(60)))
]

type Step =
  | { kind: 'add' } | { kind: 'flush' }
  | { kind: 'remove' | 'rest' | 'return' | 'send' | 'elsewhere' | 'end' | 'late', n: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Step>({ kind: 'add' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: 'flush' }) },
  {
    weight: 20,
    arbitrary: fc.record({
      kind: fc.constantFrom('remove', 'rest', 'return', 'send', 'send', 'send', 'send', 'elsewhere', 'end', 'end', 'late'), n: fc.nat()
    })
  }
)

interface Trace { readonly picked: string[], readonly wrong: string[] }

/** Plays steps against a policy as a registry and a router would, and notes what it picked and what it did wrong. */
function play (make: Make, seed: number, steps: readonly Step[]): Trace {
  const policy = make(context(seed))
  const picked: string[] = []
  const wrong: string[] = []
  const known: Worker[] = []
  const resting = new Set<Worker>()
  const gone: Worker[] = []
  const flying: Array<{ worker: Worker, request: Routing }> = []
  let candidates = new Candidates([])
  const changed = (): void => {
    candidates.dispose()
    candidates = new Candidates(known.filter(worker => !resting.has(worker)))
  }
  const check = (holds: boolean, what: string): void => { if (!holds) wrong.push(what) }
  const remove = (worker: Worker): void => {
    known.splice(known.indexOf(worker), 1)
    resting.delete(worker)
    gone.push(worker)
    policy.workerRemoved?.(worker)
    check((policy.size?.(worker) ?? 0) === 0, `keeps something of ${worker.id}`)
    changed()
  }
  let born = 0
  for (const step of steps) {
    if (step.kind === 'add') {
      const worker = ready(`http://worker-${born++}:8000`)
      known.push(worker)
      policy.workerAdded?.(worker)
      changed()
    } else if (step.kind === 'flush') {
      policy.flush?.()
      for (const worker of known) check((policy.size?.(worker) ?? 0) === 0, `flush leaves something of ${worker.id}`)
    } else if (step.kind === 'remove' && known.length > 0) {
      remove(nth(known, step.n % known.length))
    } else if (step.kind === 'rest' && known.length > 0) {
      resting.add(nth(known, step.n % known.length))
      changed()
    } else if (step.kind === 'return' && known.length > 0) {
      resting.delete(nth(known, step.n % known.length))
      changed()
    } else if ((step.kind === 'send' || step.kind === 'elsewhere') && candidates.workers.length > 0) {
      const request = nth(requests, step.n % requests.length)
      const { worker, reason, match } = policy.pick(candidates, request)
      picked.push(worker.id)
      check(candidates.workers.includes(worker), `picked ${worker.id}, no candidate`)
      check(reasons.has(reason), `reason ${reason}`)
      check(match === undefined || (match >= 0 && match <= 1), `match ${match}`)
      // A retry, or somebody else's decision: what is dispatched need not be what was picked.
      const used = step.kind === 'send' ? worker : nth(known, step.n % known.length)
      used.acquire()
      policy.dispatched?.(used, request)
      flying.push({ worker: used, request })
    } else if (step.kind === 'end' && flying.length > 0) {
      for (const { worker, request } of flying.splice(step.n % flying.length, 1)) {
        policy.firstByte?.(worker, request)
        end(policy, worker, request)
      }
    } else if (step.kind === 'late' && gone.length > 0) {
      const worker = nth(gone, step.n % gone.length)
      policy.dispatched?.(worker, nth(requests, step.n % requests.length))
      check((policy.size?.(worker) ?? 0) === 0, `took ${worker.id} back after it was removed`)
    }
  }
  for (const worker of [...known]) remove(worker)
  for (const { worker, request } of flying) end(policy, worker, request)
  for (const worker of gone) check((policy.size?.(worker) ?? 0) === 0, `keeps something of ${worker.id} at the end`)
  return { picked, wrong }
}

/** Whether nothing but weak references are left to a worker that was used, changed lists and was removed. */
async function letsGo (make: Make): Promise<boolean> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const policy = make(context())
  const kept = fleet(3)
  const use = (): WeakRef<Worker> => {
    const worker = ready('http://leaver:8000')
    policy.workerAdded?.(worker)
    const candidates = new Candidates([worker, ...kept])
    for (const request of requests) {
      for (let i = 0; i < 20; i++) end(policy, send(policy, candidates, request).worker, request)
      policy.dispatched?.(worker, request)
    }
    policy.workerRemoved?.(worker)
    candidates.dispose()
    return new WeakRef(worker)
  }
  const left = use()
  const rest = new Candidates(kept)
  for (const request of requests) end(policy, send(policy, rest, request).worker, request)
  for (let i = 0; i < 10 && left.deref() !== undefined; i++) {
    await setImmediate()
    gc()
  }
  // The policy is used once more so that it is known to be alive while the worker was not.
  return policy.pick(rest, nth(requests, 0)).worker !== undefined && left.deref() === undefined
}

/** Runs the suite against the policies `make` makes. */
export function conforms (t: Test, name: string, make: Make): void {
  t.test('bears its name', async t => {
    t.equal(make(context()).name, name)
  })

  t.test('any sequence of changes and requests', async t => {
    fc.assert(fc.property(fc.nat(), fc.array(step, { minLength: 20, maxLength: 150 }), (seed, steps) => {
      const { wrong } = play(make, seed, [{ kind: 'add' }, { kind: 'add' }, ...steps])
      if (wrong.length > 0) throw new Error(wrong.join('; '))
    }), { seed: 20, numRuns: 150 })
    t.pass('no counterexample')
  })

  t.test('the same seed gives the same picks', async t => {
    const steps = fc.sample(fc.array(step, { minLength: 300, maxLength: 300, size: 'max' }), { seed: 21, numRuns: 5 })
    for (const some of steps) {
      const all: Step[] = [...Array.from({ length: 5 }, (): Step => ({ kind: 'add' })), ...some]
      const one = play(make, 5, all).picked
      t.ok(one.length > 20, `${one.length} picks`)
      t.same(play(make, 5, all).picked, one)
    }
  })

  t.test('a single candidate is picked for every kind of request', async t => {
    const policy = make(context())
    const [only, ...others] = fleet(3)
    if (only === undefined) throw new Error('no fleet')
    const all = new Candidates([only, ...others])
    for (const request of requests) send(policy, all, request)
    const candidates = new Candidates([only])
    for (const request of requests) t.equal(policy.pick(candidates, request).worker, only)
  })

  t.test('picking alone leaves no trace of the request', async t => {
    const policy = make(context())
    const workers = fleet(4)
    const candidates = new Candidates(workers)
    for (const request of requests) policy.pick(candidates, request)
    for (const worker of workers) t.equal(policy.size?.(worker) ?? 0, 0)
  })

  t.test('a removed worker is let go', async t => {
    t.ok(await letsGo(make))
  })
}
