// Where nobody can take a request, `Retry-After` is when the pool that is missing comes back, whatever the other one does.
import t from 'tap'
import { systemClock } from '../../core/clock.ts'
import { post } from '../helpers/client.ts'
import { startPools } from '../helpers/pools.ts'

/** Seconds for which the workers of a pool are held back. */
const cases: ReadonlyArray<[name: string, held: Partial<Record<'prefill' | 'decode', number>>, fallback: boolean, expected: [status: number, retryAfter: string | null]]> = [
  ['no prefill worker, and none is needed', { prefill: 100 }, true, [200, null]],
  ['no prefill worker, and one is needed', { prefill: 100 }, false, [503, '100']],
  ['no decode worker', { decode: 50 }, true, [503, '50']],
  ['no decode worker, and none for prefill, which is not asked for before', { prefill: 100, decode: 50 }, true, [503, '50']],
  ['… nor where one is needed', { prefill: 100, decode: 50 }, false, [503, '50']]
]

t.test('each pool by itself', async t => {
  const pools = await startPools(t, { disableRetries: true })
  const { workers, disaggregation } = pools.router
  for (const [name, held, fallback, expected] of cases) {
    disaggregation.configure({ disableDecodeFallback: !fallback })
    const holds = workers.list().flatMap(worker => {
      const seconds = held[worker.role as 'prefill' | 'decode']
      return seconds === undefined ? [] : [[worker, systemClock.now() + seconds * 1000] as const]
    })
    for (const [worker, until] of holds) workers.hold(worker, 'breaker', until)
    const got = await post(pools.url + '/v1/completions', { prompt: 'a' })
    await got.text()
    t.same([got.status, got.headers.get('retry-after')], expected, name)
    for (const [worker] of holds) workers.unhold(worker, 'breaker')
    t.ok(workers.list().every(worker => worker.inFlight === 0), 'nobody keeps a lease')
  }
})
