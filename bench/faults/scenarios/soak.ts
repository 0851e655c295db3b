// Request after request with ids, sessions and prompts never seen before: memory has to stay flat.
import { atMost, mb, quantile } from '../figures.ts'
import type { Result } from '../figures.ts'
import { startPlainWorker } from '../plain-fleet.ts'
import { startRouter } from '../router.ts'
import type { Memory } from '../router.ts'
import { drive } from '../soak-client.ts'

/** How a soak is run. */
export interface SoakOptions {
  readonly requests: number
  readonly policy: string
  /** Requests at the same time. Default 32. */
  readonly connections?: number
  /** Samples of memory. Default 40. */
  readonly samples?: number
  /** Part of the requests that warm up. Default 0.25. */
  readonly warmUp?: number
  /** Most entries of the caches, so that they are full before the warm-up ends. */
  readonly cacheEntries?: number
  /** Stop after so many milliseconds, wherever it is. */
  readonly limitMs?: number
  readonly print?: (line: string) => void
}

/** Largest distance from the median, in per cent of it. */
function spread (values: readonly number[]): number {
  const middle = quantile(values, 0.5)
  return 100 * Math.max(...values.map(value => Math.abs(value - middle))) / middle
}

/** Runs a soak. */
export async function runSoak (options: SoakOptions): Promise<Result> {
  const { requests, policy, connections = 32, samples = 40, warmUp = 0.25, limitMs = Infinity, print = () => {} } = options
  const entries = options.cacheEntries ?? Math.max(1000, Math.floor(requests * warmUp / 4))
  const began = performance.now()
  const workers = await Promise.all([startPlainWorker(), startPlainWorker()])
  const router = await startRouter(workers.map(({ url }) => url), [
    '--policy', policy, '--max-index-entries', String(entries), '--response-affinity-size', String(entries)
  ], { gc: true })
  try {
    await router.ready(workers.length)
    const taken: Array<Memory & { requests: number }> = []
    let failed = 0
    let done = 0
    const step = Math.ceil(requests / samples)
    const startedAt = performance.now()
    while (done < requests && performance.now() - began < limitMs) {
      const part = Math.min(step, requests - done)
      failed += await drive(router.url, part, connections, done, () => {})
      done += part
      const memory = await router.memory(true)
      taken.push({ ...memory, requests: done })
      print(`${done} requests, ${Math.round(done / (performance.now() - startedAt) * 1000)}/s, heap ${mb(memory.heapUsed)}, RSS ${mb(memory.rss)}, external ${mb(memory.external)}, ${failed} failed`)
    }
    const warm = taken.filter(sample => sample.requests > done * warmUp)
    const heap = warm.map(({ heapUsed }) => heapUsed)
    const rss = warm.map(one => one.rss)
    const last = warm.at(-1)
    return {
      scenario: 'soak',
      policy,
      seconds: (performance.now() - began) / 1000,
      figures: {
        requests: String(done),
        'per second': String(Math.round(done / (performance.now() - startedAt) * 1000)),
        heap: `${mb(Math.min(...heap))} to ${mb(Math.max(...heap))}, last ${mb(last?.heapUsed ?? NaN)}`,
        RSS: `${mb(Math.min(...rss))} to ${mb(Math.max(...rss))}, last ${mb(last?.rss ?? NaN)}`,
        'RSS spread': `± ${spread(rss).toFixed(1)} %`,
        'entries of each cache': String(entries)
      },
      bars: [
        atMost('failed requests', failed, 0),
        atMost('heap spread after warm-up', spread(heap), 5, ' %', 1),
        ...(requests < 100_000 ? [] : [atMost('RSS spread after warm-up', spread(rss), 5, ' %', 1)])
      ]
    }
  } finally {
    await Promise.all([router.close(), ...workers.map(worker => worker.close())])
  }
}
