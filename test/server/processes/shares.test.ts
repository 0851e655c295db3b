// What is shared out adds up, and every process gets a part of what it cannot do without.
import fc from 'fast-check'
import t from 'tap'
import { defaultOptions } from '../../../options.ts'
import { shareOf, shareOptions } from '../../../server/processes/shares.ts'

t.test('whole numbers', async t => {
  fc.assert(fc.property(fc.nat(100_000), fc.integer({ min: 1, max: 64 }), (whole, processes) => {
    const shares = Array.from({ length: processes }, (_, index) => shareOf(whole, index, processes))
    if (shares.reduce((sum, share) => sum + share, 0) !== whole) throw new Error('sum')
    if (Math.max(...shares) - Math.min(...shares) > 1) throw new Error('spread')
  }))
  t.pass('no counterexample')
})

t.test('options', async t => {
  const options = { ...defaultOptions, processes: 4, maxConcurrentRequests: 10, queueSize: 3, rateLimitTokensPerSecond: 10, retryBudgetMinPerSecond: 2, authMaxValidations: 2, maxConcurrentRequestsPerWorker: 5, recordTrace: '/tmp/t', recordTraceMaxMb: 10 }
  const all = [0, 1, 2, 3].map(index => shareOptions(options, index))
  t.same(all.map(one => one.maxConcurrentRequests), [3, 3, 2, 2])
  t.same(all.map(one => one.queueSize), [1, 1, 1, 0])
  t.same(all.map(one => one.rateLimitTokensPerSecond), [2.5, 2.5, 2.5, 2.5])
  t.same(all.map(one => one.retryBudgetMinPerSecond), [0.5, 0.5, 0.5, 0.5])
  t.same(all.map(one => one.authMaxValidations), [1, 1, 1, 1])
  t.same(all.map(one => one.maxConcurrentRequestsPerWorker), [5, 5, 5, 5])
  t.same(all.map(one => one.recordTrace), [0, 1, 2, 3].map(index => `/tmp/t.process-${index}`))
  t.same(all.map(one => one.recordTraceMaxMb), [3, 3, 2, 2])
  t.equal(shareOptions({ ...options, rateLimitTokensPerSecond: undefined }, 0).rateLimitTokensPerSecond, undefined)
})
