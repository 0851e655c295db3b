// The table of workers that announce themselves: who is known, for how long, and what is refused.
import fc from 'fast-check'
import t from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'
import type { WorkerSpec } from '../../core/worker.ts'
import { Registrations } from '../../discovery/registrations.ts'
import type { RegistrationsOptions } from '../../discovery/registrations.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

interface Table {
  readonly clock: ManualClock
  readonly table: Registrations
  /** Lists stated, as URLs. */
  readonly lists: string[][]
  readonly specs: () => readonly WorkerSpec[]
  readonly steps: string[]
  readonly refusals: string[]
}

function start (options: Partial<RegistrationsOptions> = {}): Table {
  const clock = new ManualClock()
  const lists: string[][] = []
  let last: readonly WorkerSpec[] = []
  const table = new Registrations({
    clock,
    maxWorkers: 10,
    allow: [],
    ranks: { prefill: 1, decode: 1 },
    state (specs) {
      last = specs
      lists.push(specs.map(spec => spec.url))
    },
    ...options
  })
  const steps: string[] = []
  const refusals: string[] = []
  table.on('step', (step, { url }) => { steps.push(`${step} ${url}`) })
  table.on('refused', reason => { refusals.push(reason) })
  return { clock, table, lists, specs: () => last, steps, refusals }
}

const prefill = (host: string, more: object = {}): object => ({ type: 'P', http_address: `${host}:8000`, zmq_address: `${host}:21001`, ...more })

t.test('what a registration says becomes the spec of a worker', async t => {
  const { clock, table, specs } = start({ ranks: { prefill: 2, decode: 1 } })
  table.take(prefill('10.0.0.1'))
  await clock.advance(200)
  table.take({ type: 'D', http_address: '::1:8001', zmq_address: '::1:22001', unknown: [1] })
  await clock.advance(200)
  table.take({ type: 'D', http_address: '10.0.0.3:8000', zmq_address: 'host:10.0.0.3,handshake:6301,notify:61005', dp_size: 4, tp_size: 8, transfer_mode: 'READ' })
  t.same(specs(), [
    { url: 'http://10.0.0.1:8000', role: 'prefill', zmqAddress: '10.0.0.1:21001', connector: 'p2p-nccl', ranks: 2 },
    { url: 'http://[::1]:8001', role: 'decode', zmqAddress: '::1:22001', connector: 'p2p-nccl' },
    { url: 'http://10.0.0.3:8000', role: 'decode', zmqAddress: 'host:10.0.0.3,handshake:6301,notify:61005', connector: 'moriio', transferMode: 'READ', tpSize: 8, dpSize: 4, ranks: 4 }
  ])
  t.same([...table.known()], [['prefill', 2], ['decode', 5]])
})

t.test('lists are stated at changes, not at every announcement; who is silent for 5 s is gone', async t => {
  const { clock, table, lists, steps } = start()
  const [one, two] = ['http://10.0.0.1:8000', 'http://10.0.0.2:8000']
  table.take(prefill('10.0.0.1'))
  t.same(lists, [[one]], 'the first at once')
  table.take(prefill('10.0.0.2'))
  t.equal(lists.length, 1)
  await clock.advance(100)
  t.same(lists, [[one], [one, two]], 'the next a little later')
  for (let second = 0; second < 9; second += 3) {
    await clock.advance(3000)
    table.take(prefill('10.0.0.1'))
    if (second === 0) table.take(prefill('10.0.0.2'))
  }
  t.same(lists.slice(2), [[one]])
  await clock.advance(4999)
  t.equal(lists.length, 3)
  await clock.advance(1)
  t.same(lists.slice(3), [[]])
  t.equal(clock.pending, 0, 'nothing is left to wait for')
  table.take(prefill('10.0.0.1'))
  await clock.advance(100)
  t.same(lists.slice(4), [[one]], 'it comes back')
  t.same(steps.filter(step => !step.startsWith('renewed')), [`added ${one}`, `added ${two}`, `expired ${two}`, `expired ${one}`, `added ${one}`])
  t.same([...table.known()], [['prefill', 1], ['decode', 0]])
})

t.test('announcements that wait while the process stands still are read before anybody expires', async t => {
  // the timer runs when all of the time has passed, as after a standstill
  let now = 0
  let due: { at: number, run: () => void } | undefined
  const clock: RegistrationsOptions['clock'] = {
    now: () => now,
    after (delay, run) {
      const timer = { at: now + delay, run }
      due = timer
      return { cancel: () => { if (due === timer) due = undefined } }
    }
  }
  function pass (milliseconds: number): void {
    now += milliseconds
    if (due === undefined || due.at > now) return
    const { run } = due
    due = undefined
    run()
  }
  const { table, lists, steps } = start({ clock })
  table.take(prefill('10.0.0.1'))
  pass(20_000)
  t.equal(lists.length, 1, 'the timer came 15 s late: nobody has expired')
  table.take(prefill('10.0.0.1'))
  pass(1000)
  pass(4000)
  t.same(lists.slice(1), [[]], 'from then on time counts as usual')
  t.same(steps.map(step => step.split(' ')[0]), ['added', 'renewed', 'expired'])
})

t.test('a worker is known by its ZMQ address', async t => {
  const { clock, table, specs, steps, refusals, lists } = start()
  table.take(prefill('10.0.0.1'))
  await clock.advance(1000)
  table.take(prefill('10.0.0.1', { http_address: '10.0.0.1:9000' }))
  t.same(lists, [['http://10.0.0.1:8000'], ['http://10.0.0.1:9000']], 'a new HTTP address replaces the old one')
  await clock.advance(1000)
  table.take(prefill('10.0.0.1', { http_address: '10.0.0.1:9000', type: 'D' }))
  t.match(specs(), [{ role: 'decode' }])
  t.same([...table.known()], [['prefill', 0], ['decode', 1]])

  // the HTTP address of a worker that is alive is taken
  await clock.advance(1000)
  const late = prefill('10.0.0.7', { http_address: '10.0.0.1:9000' })
  table.take(late)
  t.same(refusals, ['conflict'])
  t.match(specs(), [{ zmqAddress: '10.0.0.1:21001' }])
  await clock.advance(4000)
  table.take(late)
  await clock.advance(100)
  t.match(specs(), [{ zmqAddress: '10.0.0.7:21001', role: 'prefill' }], 'until that one is silent')
  t.same(steps.map(step => step.split(' ')[0]), ['added', 'changed', 'changed', 'expired', 'added'])
})

t.test('there are never more workers than there may be, ranks counted', async t => {
  const { clock, table, specs, refusals } = start({ maxWorkers: 10 })
  table.take(prefill('10.0.0.1', { transfer_mode: 'WRITE', dp_size: 8 }))
  table.take(prefill('10.0.0.2', { transfer_mode: 'WRITE', dp_size: 3 }))
  table.take(prefill('10.0.0.3', { transfer_mode: 'WRITE', dp_size: 2 }))
  table.take(prefill('10.0.0.4'))
  t.same(refusals, ['full', 'full'])
  table.take(prefill('10.0.0.1', { transfer_mode: 'WRITE', dp_size: 9 }))
  t.same(refusals, ['full', 'full', 'full'], 'nor by growing')
  table.take(prefill('10.0.0.1', { transfer_mode: 'WRITE', dp_size: 4 }))
  table.take(prefill('10.0.0.4'))
  await clock.advance(100)
  t.same(specs().map(({ url, ranks = 1 }) => `${url} ${ranks}`).sort(), ['http://10.0.0.1:8000 4', 'http://10.0.0.3:8000 2', 'http://10.0.0.4:8000 1'])
})

t.test('only addresses in the networks that are allowed', async t => {
  const { table, specs, refusals } = start({ allow: ['10.0.0.0/8', 'fd00::/8'] })
  for (const [http, zmq, allowed] of [
    ['10.0.0.1:1', '10.9.9.9:1', true],
    ['[fd00::1]:1', 'host:fd00::2,handshake:1,notify:2', true],
    ['[::ffff:10.0.0.2]:1', '10.0.0.2:1', true],
    ['11.0.0.1:1', '10.0.0.3:1', false],
    ['10.0.0.4:1', '11.0.0.1:1', false],
    ['10.0.0.5:1', 'host:11.0.0.1,handshake:1,notify:2', false],
    ['worker.example:1', '10.0.0.6:1', false],
    ['10.0.0.7:1', 'worker.example:1', false]
  ] as const) {
    const before = refusals.length
    table.take({ type: 'P', http_address: http, zmq_address: zmq })
    t.same(refusals.slice(before), allowed ? [] : ['not_allowed'], `${http} ${zmq}`)
  }
  t.equal(table.known().get('prefill'), 3)
  t.equal(specs().length, 1)
  t.throws(() => start({ allow: ['10.0.0.0/99'] }), RangeError)
})

t.test('what is malformed is counted and changes nothing', async t => {
  const { table, lists, refusals } = start()
  const bad: unknown[] = [
    undefined, null, 7, 'P', [], [prefill('10.0.0.1')], {}, prefill('10.0.0.1', { type: 'X' }), prefill('10.0.0.1', { type: undefined }),
    ...[undefined, 1, '', '10.0.0.1', '10.0.0.1:0', '10.0.0.1:99999', '10.0.0.256:1', 'http://10.0.0.1:1', '10.0.0.1:1/x', 'a b:1', 'a@b:1', 'x'.repeat(5000)].map(http => prefill('10.0.0.1', { http_address: http })),
    ...[undefined, 1, '', '10.0.0.1', 'x:1___decode_addr_10.0.0.9:1', '10.0.0.1:1\r\nx: y', 'host:10.0.0.1,handshake:1', 'host:10.0.0.1,handshake:1,notify:0', 'host:10.0.0.1,handshake:1,notify:2,more:3', 'host:,handshake:1,notify:2'].map(zmq => prefill('10.0.0.1', { zmq_address: zmq })),
    ...['SIDEWAYS', 1, {}].map(mode => prefill('10.0.0.1', { transfer_mode: mode })),
    ...[0, -1, 1.5, '2', 1e9, NaN].flatMap(size => [prefill('10.0.0.1', { tp_size: size }), prefill('10.0.0.1', { dp_size: size })])
  ]
  for (const message of bad) table.take(message)
  t.same(refusals, bad.map(() => 'malformed'))
  t.same(lists, [])
  t.doesNotThrow(() => fc.assert(fc.property(fc.anything(), message => { table.take(message) })))
  t.same(lists, [])
})

t.test('whatever is taken, the registry takes', async t => {
  const host = fc.oneof(fc.stringMatching(/^[0-9a-fx.:_\-[\]%@/ ]{1,12}$/), fc.ipV4(), fc.ipV6(), fc.domain(), fc.string())
  const address = fc.tuple(host, fc.nat({ max: 70_000 })).map(([name, port]) => `${name}:${port}`)
  let taken = 0
  t.doesNotThrow(() => fc.assert(fc.property(address, http => {
    const { table, specs } = start()
    table.take({ type: 'P', http_address: http, zmq_address: '10.0.0.1:1' })
    taken += specs().length
    new WorkerRegistry().apply('zmq', specs())
  }), { numRuns: 1000 }))
  t.ok(taken > 100)
})

t.test('whatever is announced in whatever order, the list is what was heard of last', async t => {
  const action = fc.oneof(
    fc.record({ zmq: fc.integer({ min: 1, max: 4 }), http: fc.integer({ min: 1, max: 4 }), ranks: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ wait: fc.integer({ min: 1, max: 4000 }) })
  )
  await t.resolves(fc.assert(fc.asyncProperty(fc.array(action, { maxLength: 40 }), async actions => {
    const { clock, table, specs } = start({ maxWorkers: 7 })
    const model = new Map<number, { http: number, ranks: number, seenAt: number }>()
    for (const one of actions) {
      if ('wait' in one) {
        await clock.advance(one.wait)
        for (const [zmq, { seenAt }] of model) if (clock.now() - seenAt >= 5000) model.delete(zmq)
        continue
      }
      const { zmq, http, ranks } = one
      table.take({ type: 'P', http_address: `h${http}:1`, zmq_address: `z${zmq}:1`, transfer_mode: 'READ', dp_size: ranks })
      const others = [...model].filter(([other]) => other !== zmq).map(([, entry]) => entry)
      const taken = others.some(entry => entry.http === http)
      if (!taken && others.reduce((sum, entry) => sum + entry.ranks, ranks) <= 7) model.set(zmq, { http, ranks, seenAt: clock.now() })
    }
    await clock.advance(100)
    for (const [zmq, { seenAt }] of model) if (clock.now() - seenAt >= 5000) model.delete(zmq)
    const wanted = [...model].map(([zmq, { http, ranks }]) => `z${zmq} h${http} ${ranks}`).sort()
    const got = specs().map(({ zmqAddress, url, ranks = 1 }) => `${zmqAddress?.slice(0, 2)} ${url.slice(7, 9)} ${ranks}`).sort()
    if (wanted.join() !== got.join()) throw new Error(`${got.join()} instead of ${wanted.join()}`)
    if ((table.known().get('prefill') ?? 0) !== [...model.values()].reduce((sum, entry) => sum + entry.ranks, 0)) throw new Error('miscounted')
  }), { numRuns: 100 }))
})
