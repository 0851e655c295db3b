// Workers somebody wrote down without their data-parallel size: each is asked for it before it is stated.
import type { Clock, Timer } from '../core/clock.ts'
import { isUnreachable } from '../core/failure.ts'
import type { WorkerSpec } from '../core/worker.ts'
import type { StaticSource } from './static.ts'

/** How sizes are learned. */
export interface LearnedRanksOptions {
  /** Engines a server tells of, 0 when it tells none; rejects when it does not answer. */
  readonly engines: (url: string) => Promise<number>
  /** Ranks of a server that tells nothing. */
  readonly fallback: number
  readonly clock: Clock
  /** What this source states now, but for what somebody took off its list; default all it knows. */
  readonly stated?: () => readonly WorkerSpec[]
}

/** First pause before a server that did not answer is asked again; doubles up to the longest. */
const firstPause = 200
const longestPause = 5000
/** A server that is there and does not answer the question for so long is stated with the fallback; it is asked on. */
const patience = 10_000

/** One server whose size is to be learned. */
interface Asked {
  spec: WorkerSpec
  ranks: number | undefined
  since: number
  pause: number
  timer: Timer | undefined
  /** Told when an answer is too old to count. */
  round: number
}

/**
 * A source that states a server when it knows its ranks: those in the spec, or as many as its `/metrics` names engines. One that
 * nobody listens at is asked again until somebody does, and stated then; so no request ever goes to a wrong rank.
 */
export function learnedRanks (given: readonly WorkerSpec[], options: LearnedRanksOptions): StaticSource {
  const { engines, clock } = options
  const { fallback } = options
  let specs = given
  let asked = new Map<string, Asked>()
  let tell: ((specs: readonly WorkerSpec[]) => void) | undefined

  const complete = (spec: WorkerSpec): boolean => spec.rank !== undefined || spec.ranks !== undefined

  /** Every spec whose ranks are known. */
  function known (): WorkerSpec[] {
    return specs.flatMap(spec => {
      if (complete(spec)) return [spec]
      const ranks = asked.get(spec.url)?.ranks
      return ranks === undefined ? [] : [{ ...spec, ranks }]
    })
  }

  function learned (entry: Asked, ranks: number): void {
    if (entry.ranks === ranks) return
    const first = entry.ranks === undefined
    entry.ranks = ranks
    const before = options.stated?.()
    if (before === undefined) {
      tell?.(known())
      return
    }
    // what somebody took off the list by hand stays off
    const { url } = entry.spec
    if (!first && !before.some(spec => spec.url === url)) return
    tell?.([...before.filter(spec => spec.url !== url), { ...entry.spec, ranks }])
  }

  async function ask (entry: Asked): Promise<void> {
    entry.timer?.cancel()
    const round = ++entry.round
    const { url } = entry.spec
    let ranks: number | undefined
    let silent = false
    try {
      const told = await engines(url)
      ranks = told > 0 ? told : fallback
    } catch (error) {
      silent = !isUnreachable(error)
    }
    if (tell === undefined || asked.get(url) !== entry || entry.round !== round) return
    if (ranks === undefined && silent && entry.ranks === undefined && clock.now() - entry.since >= patience) learned(entry, fallback)
    if (ranks === undefined) {
      entry.timer = clock.after(entry.pause, () => { void ask(entry) })
      entry.pause = Math.min(entry.pause * 2, longestPause)
    } else learned(entry, ranks)
  }

  /** Asks about servers that are new on the list; what is known of the others stays. */
  function begin (): void {
    const before = asked
    asked = new Map()
    for (const spec of specs) {
      if (complete(spec) || asked.has(spec.url)) continue
      const entry = before.get(spec.url)
      before.delete(spec.url)
      const kept: Asked = entry ?? { spec, ranks: undefined, since: clock.now(), pause: firstPause, timer: undefined, round: 0 }
      kept.spec = spec
      asked.set(spec.url, kept)
    }
    for (const { timer } of before.values()) timer?.cancel()
    tell?.(known())
    for (const entry of asked.values()) if (entry.ranks === undefined && entry.round === 0) void ask(entry)
  }

  return {
    name: 'static',
    async start (state) {
      tell = state
      begin()
    },
    async stop () {
      tell = undefined
      for (const { timer } of asked.values()) timer?.cancel()
      asked.clear()
    },
    restate (changed) {
      specs = changed
      if (tell !== undefined) begin()
    },
    refresh (url) {
      const entry = asked.get(url)
      if (entry === undefined) return
      entry.pause = firstPause
      entry.since = clock.now()
      void ask(entry)
    },
    health () {
      const missing = [...asked.values()].filter(({ ranks }) => ranks === undefined).length
      return { ok: true, detail: `${specs.length} listed${missing === 0 ? '' : `, ${missing} not reached yet`}` }
    }
  }
}
