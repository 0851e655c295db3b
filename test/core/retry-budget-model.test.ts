// The budget allows what a list of all requests and retries of the last ten whole seconds would allow.
import fc from 'fast-check'
import t from 'tap'
import { RetryBudget } from '../../core/retry.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('request' as const), count: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('take' as const), count: fc.integer({ min: 1, max: 20 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), count: fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 8000, max: 40_000 })) }) }
)

t.test('any sequence', async t => {
  await fc.assert(fc.asyncProperty(
    fc.constantFrom(0, 20, 100), fc.constantFrom(0, 0.1, 1), fc.integer({ min: 0, max: 30_000 }), fc.array(step, { maxLength: 40, size: 'max' }),
    async (percent, minPerSecond, start, steps) => {
      const clock = new ManualClock()
      await clock.advance(start)
      const budget = new RetryBudget(clock, () => ({ percent, minPerSecond }))
      const requests: number[] = []
      const retries: number[] = []
      const recent = (list: number[]): number => list.filter(second => second > Math.floor(clock.now() / 1000) - 10).length
      for (const { kind, count } of steps) {
        if (kind === 'wait') await clock.advance(count)
        for (let left = kind === 'request' ? count : 0; left > 0; left--) {
          budget.request()
          requests.push(Math.floor(clock.now() / 1000))
        }
        for (let left = kind === 'take' ? count : 0; left > 0; left--) {
          const allowed = recent(retries) + 1 <= Math.max(recent(requests) * percent / 100, minPerSecond * 10)
          if (budget.take() !== allowed) throw new Error(`a retry is ${allowed ? 'within' : 'beyond'} the budget`)
          if (allowed) retries.push(Math.floor(clock.now() / 1000))
        }
      }
    }), { seed: 11, numRuns: 300 })
  t.pass('no counterexample')
})

t.test('with the defaults', async t => {
  const clock = new ManualClock()
  const budget = new RetryBudget(clock, () => ({ percent: 20, minPerSecond: 10 }))
  const taken = (): number => {
    let count = 0
    while (budget.take()) count++
    return count
  }
  t.equal(taken(), 100, 'ten a second in any case')
  for (let i = 0; i < 1000; i++) budget.request()
  t.equal(taken(), 100, 'a fifth of the requests, those made counted in')
  await clock.advance(9_999)
  t.equal(taken(), 0)
  await clock.advance(1)
  t.equal(taken(), 100, 'and after ten seconds the floor again')
})
