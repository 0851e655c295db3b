// Every server is visited when its last visit said, give or take a tenth; on demand sooner, never twice at a time.
import fc from 'fast-check'
import t from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'
import { Rounds } from '../../discovery/rounds.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

function rounds (random: () => number, visit: (url: string) => Promise<number>): { rounds: Rounds, clock: ManualClock, registry: WorkerRegistry } {
  const clock = new ManualClock()
  const registry = new WorkerRegistry()
  registry.apply('test', [{ url: 'http://w1' }])
  return { rounds: new Rounds({ registry, clock, random, visit }), clock, registry }
}

t.test('jitter', async t => {
  await fc.assert(fc.asyncProperty(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.integer({ min: 1, max: 100_000 }), async (random, pause) => {
    const { rounds: visits, clock } = rounds(() => random, async () => pause)
    visits.start()
    await clock.advance(0)
    const next = clock.nextIn ?? 0
    visits.stop()
    if (Math.abs(next - pause * (0.9 + 0.2 * random)) > 1e-6) throw new Error(`${next} after ${pause}`)
  }), { seed: 11, numRuns: 50 })
  t.pass('no counterexample')
})

t.test('soon, while nothing runs, replaces what was due', async t => {
  const at: number[] = []
  const { rounds: visits, clock } = rounds(() => 0.5, async () => { at.push(clock.now()); return 100 })
  visits.start()
  await clock.advance(50)
  visits.soon('http://w1')
  await clock.advance(100)
  t.same(at, [0, 50, 150])
  t.equal(clock.pending, 1)
  visits.stop()
})

t.test('soon, while a visit runs, brings one more right after it', async t => {
  let visited = 0
  let done: (pause: number) => void = () => {}
  const { rounds: visits, clock } = rounds(() => 0.5, () => { visited++; return new Promise(resolve => { done = resolve }) })
  visits.start()
  for (let i = 0; i < 5; i++) visits.soon('http://w1')
  t.equal(visited, 1)
  done(100)
  await clock.advance(0)
  t.equal(visited, 2)
  done(100)
  await clock.advance(99)
  t.equal(visited, 2)
  await clock.advance(1)
  t.equal(visited, 3)
  visits.stop()
})

t.test('a server that leaves is visited no more', async t => {
  let visited = 0
  const { rounds: visits, clock, registry } = rounds(() => 0.5, async () => { visited++; return 100 })
  visits.start()
  await clock.advance(150)
  t.equal(visited, 2)
  registry.apply('test', [])
  t.equal(clock.pending, 0)
  await clock.advance(1000)
  t.equal(visited, 2)
  visits.stop()
})
