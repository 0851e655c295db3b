// What is made of a sample: each figure by its name, with its unit and how it is counted.
import type { Sample } from './sample.ts'

/** One figure. */
export interface Figure {
  /** Head of its column. */
  readonly title: string
  readonly digits: number
  /** Undefined where a sample has no such figure. `direct` is the sample without a router of the same scenario and round. */
  of (sample: Sample, direct: Sample | undefined): number | undefined
}

type Kind = 'latency' | 'first' | 'gap' | 'delay'

/** Milliseconds of one kind. */
function time (kind: Kind, share: 'p50' | 'p99'): Figure['of'] {
  return sample => {
    const times = sample.load?.[kind]
    return times === undefined || times === null ? undefined : times[share] / 1000
  }
}

/** What a target adds to the time without it, in the same round. */
function added (kind: Kind, share: 'p50' | 'p99'): Figure['of'] {
  return (sample, direct) => {
    const with_ = time(kind, share)(sample, undefined)
    const without = direct === undefined ? undefined : time(kind, share)(direct, undefined)
    return with_ === undefined || without === undefined || sample.target === 'direct' ? undefined : with_ - without
  }
}

function divided (a: number | undefined, b: number | undefined, factor = 1): number | undefined {
  return a === undefined || b === undefined || b === 0 ? undefined : a * factor / b
}

const megabytes = (bytes: number | undefined): number | undefined => divided(bytes, 1e6)

/** All figures by name. */
export const figures = {
  requestsPerSecond: { title: 'requests/s', digits: 0, of: ({ load }) => divided(load?.requests, load?.seconds) },
  eventsPerSecond: { title: 'chunks/s', digits: 0, of: ({ load }) => load?.events === 0 ? undefined : divided(load?.events, load?.seconds) },
  cpuPerRequest: { title: 'CPU µs/request', digits: 0, of: ({ cpuSeconds, load }) => divided(cpuSeconds, load?.requests, 1e6) },
  cpuPerChunk: { title: 'CPU µs/chunk', digits: 1, of: ({ cpuSeconds, load }) => divided(cpuSeconds, load?.events, 1e6) },
  p50: { title: 'p50 ms', digits: 2, of: time('latency', 'p50') },
  p99: { title: 'p99 ms', digits: 2, of: time('latency', 'p99') },
  addedP50: { title: 'added p50 ms', digits: 2, of: added('latency', 'p50') },
  addedP99: { title: 'added p99 ms', digits: 2, of: added('latency', 'p99') },
  ttftP50: { title: 'TTFT p50 ms', digits: 2, of: time('first', 'p50') },
  ttftP99: { title: 'TTFT p99 ms', digits: 2, of: time('first', 'p99') },
  addedTtftP50: { title: 'added TTFT p50 ms', digits: 2, of: added('first', 'p50') },
  addedTtftP99: { title: 'added TTFT p99 ms', digits: 2, of: added('first', 'p99') },
  gapP99: { title: 'gap p99 ms', digits: 2, of: time('gap', 'p99') },
  addedGapP99: { title: 'added gap p99 ms', digits: 2, of: added('gap', 'p99') },
  addedDelayP50: { title: 'added to a chunk p50 ms', digits: 2, of: added('delay', 'p50') },
  addedDelayP99: { title: 'added to a chunk p99 ms', digits: 2, of: added('delay', 'p99') },
  callsPerRequest: { title: 'calls to workers/request', digits: 2, of: ({ workerCalls, load }) => divided(workerCalls, load?.requests) },
  cores: { title: 'cores', digits: 3, of: ({ cpuSeconds, seconds }) => divided(cpuSeconds, seconds) },
  workerCores: { title: 'worker cores', digits: 2, of: ({ workerCpuSeconds, seconds }) => divided(workerCpuSeconds, seconds) },
  loadCores: { title: 'load cores', digits: 2, of: ({ loadCpuSeconds, seconds }) => divided(loadCpuSeconds, seconds) },
  rssIdle: { title: 'RSS idle MB', digits: 0, of: ({ rssIdle }) => megabytes(rssIdle) },
  rssPeak: { title: 'RSS peak MB', digits: 0, of: ({ rssPeak }) => megabytes(rssPeak) },
  rssAfter: { title: 'RSS after MB', digits: 0, of: ({ rssAfter }) => megabytes(rssAfter) },
  growthPerPrompt: {
    title: 'growth bytes/prompt',
    digits: 0,
    of: ({ rssIdle, rssAfter, load }) => rssIdle === undefined || rssAfter === undefined ? undefined : divided(rssAfter - rssIdle, load?.requests)
  },
  startMs: { title: 'first answer ms', digits: 0, of: ({ startMs }) => startMs },
  startCpu: { title: 'CPU to it ms', digits: 0, of: ({ startCpuSeconds }) => divided(startCpuSeconds, 1, 1000) }
} satisfies Record<string, Figure>

/** A name of a figure. */
export type FigureName = keyof typeof figures

/** The middle of some values, and both ends. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
  readonly count: number
}

/** Undefined where there is no value. */
export function spreadOf (values: readonly number[]): Spread | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const [low, high, least, most] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)], sorted[0], sorted.at(-1)]
  if (low === undefined || high === undefined || least === undefined || most === undefined) return undefined
  return { median: (low + high) / 2, least, most, count: sorted.length }
}

/** The values of a figure, a round each; rounds without it are left out. */
export function valuesOf (samples: readonly Sample[], scenario: string, target: string, name: FigureName): Map<number, number> {
  const values = new Map<number, number>()
  for (const sample of samples) {
    if (sample.scenario !== scenario || sample.target !== target || sample.error !== undefined) continue
    const direct = samples.find(other => other.scenario === scenario && other.round === sample.round && other.target === 'direct')
    const figure: Figure = figures[name]
    const value = figure.of(sample, direct)
    if (value !== undefined) values.set(sample.round, value)
  }
  return values
}
