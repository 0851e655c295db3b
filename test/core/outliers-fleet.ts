// A fleet in virtual time for the tests of outlier detection: requests come at an even rate, a policy chooses, workers answer after their own times.
import { WorkerRegistry } from '../../core/registry.ts'
import { Outliers, tickMs } from '../../core/outliers.ts'
import type { Worker } from '../../core/worker.ts'
import type { Policy } from '../../policies/policy.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { routing } from '../helpers/routing.ts'
import { nth, seeded } from '../policies/setup.ts'

/** What became of one request. */
export interface Served {
  readonly at: number
  readonly worker: Worker
  readonly ok: boolean
  /** Milliseconds to its first byte; undefined until it came. */
  firstByteMs: number | undefined
}

/** How a worker answers: after so many milliseconds, never, or with an instant failure. */
export type Behaviour = (random: () => number) => number | 'hang' | 'fail'

/** A fleet and its detector. */
export interface Fleet {
  readonly clock: ManualClock
  readonly registry: WorkerRegistry
  readonly workers: readonly Worker[]
  readonly outliers: Outliers
  readonly served: Served[]
  /** Largest number of workers with less than their full share so far. */
  most: number
  readonly behaviours: Map<Worker, Behaviour>
  /** Lets requests come for so many milliseconds. */
  run (milliseconds: number, perSecond?: number): Promise<void>
}

/** Makes a fleet whose workers all answer after `usual`. */
export function outlierFleet (count: number, policy: Policy, usual: Behaviour, { maxPercent = 30, seed = 1, enabled = true } = {}): Fleet {
  const clock = new ManualClock()
  const registry = new WorkerRegistry()
  registry.apply('test', Array.from({ length: count }, (_, i) => ({ url: `http://10.0.0.${i}:8000` })))
  const workers = registry.list()
  for (const worker of workers) registry.setState(worker, 'ready', 'test')
  const outliers = new Outliers(clock, () => ({ maxPercent }), (worker, open) => {
    if (open) registry.unhold(worker, 'outlier')
    else registry.hold(worker, 'outlier')
  })
  const random = seeded(seed)
  const fleet: Fleet = {
    clock,
    registry,
    workers,
    outliers,
    served: [],
    most: 0,
    behaviours: new Map(workers.map(worker => [worker, usual])),
    async run (milliseconds, perSecond = 40) {
      const arrival = 1000 / perSecond
      for (let passed = 0; passed < milliseconds; passed += arrival) {
        request()
        await clock.advance(arrival)
      }
    }
  }
  let number = 0
  function request (): void {
    const { worker } = policy.pick(registry.candidates('regular'), routing({ text: `request ${number++} `.repeat(100) }))
    const key = {}
    worker.acquire()
    if (enabled) outliers.assigned(worker)
    if (enabled) outliers.waits(worker, key)
    const answer = (fleet.behaviours.get(worker) ?? usual)(random)
    const served: Served = { at: clock.now(), worker, ok: answer !== 'fail', firstByteMs: undefined }
    fleet.served.push(served)
    if (answer === 'hang') return
    const first = answer === 'fail' ? 0.5 : answer
    clock.after(first, () => {
      served.firstByteMs = first
      if (enabled) outliers.answered(worker, key)
      if (enabled && served.ok) outliers.time(worker, 'streamed', first)
      clock.after(served.ok ? 100 : 0, () => {
        worker.release()
        if (enabled) outliers.ended(worker, key, served.ok ? 'success' : 'failure')
      })
    })
  }
  function tick (): void {
    outliers.tick()
    fleet.most = Math.max(fleet.most, workers.filter(worker => worker.weight < 1).length)
    clock.after(tickMs, tick)
  }
  for (const worker of workers) outliers.add(worker)
  if (enabled) clock.after(tickMs, tick)
  return fleet
}

/** Share of the requests that began in a time that went to a worker. */
export function share (fleet: Fleet, worker: Worker, from: number, to = Infinity): number {
  const some = fleet.served.filter(({ at }) => at >= from && at < to)
  return some.filter(one => one.worker === worker).length / some.length
}

/** A quantile of the times to the first byte of requests that began in a time; those without one count as infinite. */
export function quantile (fleet: Fleet, q: number, from: number): number {
  const times = fleet.served.filter(({ at, ok }) => at >= from && ok).map(({ firstByteMs }) => firstByteMs ?? Infinity).sort((one, two) => one - two)
  return nth(times, Math.min(times.length - 1, Math.floor(q * times.length)))
}

/** Times that spread as those of real prompts: logarithms are normal. */
export function around (milliseconds: number, sigma: number): Behaviour {
  return random => milliseconds * Math.exp(sigma * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()))
}
