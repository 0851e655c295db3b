// A backoff lies within the jitter around the exponential curve, and the curve never passes its maximum.
import fc from 'fast-check'
import t from 'tap'
import { backoff } from '../../core/retry.ts'

t.test('bounds', async t => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 100 }), fc.record({
    maxAttempts: fc.constant(100),
    initialBackoffMs: fc.integer({ min: 1, max: 3_600_000 }),
    maxBackoffMs: fc.integer({ min: 1, max: 3_600_000 }),
    multiplier: fc.double({ min: 1, max: 100, noNaN: true }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true })
  }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, options, random) => {
    const got = backoff(attempt, options, random)
    let curve = options.initialBackoffMs
    for (let step = 1; step < attempt && curve < options.maxBackoffMs; step++) curve *= options.multiplier
    curve = Math.min(curve, options.maxBackoffMs)
    const slack = 1e-6 * curve
    return got >= curve * (1 - options.jitter) - slack && got <= curve * (1 + options.jitter) + slack
  }), { seed: 7, numRuns: 2000 })
  t.pass('no counterexample')
})

t.test('the defaults, without jitter', async t => {
  const options = { maxAttempts: 5, initialBackoffMs: 50, maxBackoffMs: 100, multiplier: 1.5, jitter: 0.2 }
  t.same([1, 2, 3, 4].map(attempt => backoff(attempt, options, 0.5)), [50, 75, 100, 100])
  t.same([backoff(1, options, 0), backoff(1, options, 1)], [40, 60])
})
