// The bars as data: what this router has to reach, most of them as a ratio to a peer in the same round.
import type { FigureName, Spread } from './figures.ts'
import { figures, spreadOf, valuesOf } from './figures.ts'
import type { Sample } from './sample.ts'
import { oursName } from './targets.ts'

interface Limit {
  readonly atMost?: number
  readonly atLeast?: number
}

/** One bar. */
export type Bar = Limit & { readonly scenario: string, readonly figure: FigureName } & (
  /** The figure divided by the peer's of the same round. */
  | { readonly kind: 'peer', readonly peer: string }
  /** The figure itself. */
  | { readonly kind: 'own' }
  /** The figure divided by this router's own of another scenario, in the same round. */
  | { readonly kind: 'growth', readonly from: string }
)

function against (peer: string, scenario: string, limits: Partial<Record<FigureName, Limit>>): Bar[] {
  return Object.entries(limits).map(([figure, limit]) => ({ kind: 'peer', peer, scenario, figure: figure as FigureName, ...limit }))
}

/** All bars. */
export const bars: readonly Bar[] = [
  ...['json-c16', 'json-c64', 'json-c256'].flatMap(name => against('vllm-router', name, { cpuPerRequest: { atMost: 0.8 }, requestsPerSecond: { atLeast: 1 } })),
  ...against('vllm-router', 'json-c1', { cpuPerRequest: { atMost: 1 }, p50: { atMost: 1 } }),
  ...against('vllm-router', 'prompt-64k', { cpuPerRequest: { atMost: 1 }, requestsPerSecond: { atLeast: 1 } }),
  ...against('vllm-router', 'prompt-1m', { cpuPerRequest: { atMost: 0.7 }, requestsPerSecond: { atLeast: 1.2 } }),
  ...against('vllm-router', 'sse-unpaced', { cpuPerChunk: { atMost: 0.5 }, eventsPerSecond: { atLeast: 1.6 } }),
  ...against('vllm-router', 'sse-paced-50', { cpuPerChunk: { atMost: 1 }, ttftP50: { atMost: 1 }, ttftP99: { atMost: 2 } }),
  ...against('vllm-router', 'sse-paced-200', { cpuPerChunk: { atMost: 1.15 }, ttftP50: { atMost: 1 } }),
  ...against('vllm-router', 'distinct-4k', { cpuPerRequest: { atMost: 0.25 }, requestsPerSecond: { atLeast: 4 } }),
  ...against('vllm-router', 'distinct-64k', { cpuPerRequest: { atMost: 0.1 }, requestsPerSecond: { atLeast: 4 } }),
  ...against('smg', 'distinct-4k', { cpuPerRequest: { atMost: 0.8 } }),
  ...against('smg', 'distinct-64k', { cpuPerRequest: { atMost: 0.8 } }),
  ...against('vllm-router', 'memory', { growthPerPrompt: { atMost: 0.5 } }),
  { kind: 'own', scenario: 'half-capacity', figure: 'addedP50', atMost: 0.25 },
  { kind: 'own', scenario: 'idle-1000', figure: 'cores', atMost: 0.2 },
  { kind: 'own', scenario: 'start', figure: 'startMs', atMost: 700 },
  // two calls and their bodies, for one
  ...([['pd-json-c16', 'json-c16'], ['pd-json-c64', 'json-c64'], ['pd-prompt-64k-c16', 'prompt-64k']] as const).map(([scenario, from]): Bar =>
    ({ kind: 'growth', scenario, from, figure: 'cpuPerRequest', atMost: 2.2 })),
  { kind: 'growth', scenario: 'workers-1000', from: 'workers-2', figure: 'cpuPerRequest', atMost: 1.2 },
  { kind: 'growth', scenario: 'workers-1000', from: 'workers-2', figure: 'p50', atMost: 1.2 }
]

/** What became of a bar. */
export interface Verdict {
  readonly scenario: string
  /** The figure, and what it is compared with. */
  readonly what: string
  readonly wanted: string
  /** The measured value, with its spread over rounds; undefined where it was not measured. */
  readonly measured: Spread | undefined
  readonly digits: number
  readonly unit: string
  readonly met: boolean | undefined
  /** Why it was not measured. */
  readonly why?: string
}

/** Values of a bar, one a round that has both sides. */
function measure (bar: Bar, samples: readonly Sample[]): number[] {
  const own = valuesOf(samples, bar.scenario, oursName, bar.figure)
  if (bar.kind === 'own') return [...own.values()]
  const other = bar.kind === 'peer' ? valuesOf(samples, bar.scenario, bar.peer, bar.figure) : valuesOf(samples, bar.from, oursName, bar.figure)
  return [...own].flatMap(([round, value]) => {
    const base = other.get(round)
    return base === undefined || base === 0 ? [] : [value / base]
  })
}

/** A bar is met when the median of its rounds meets it. */
export function judge (bar: Bar, samples: readonly Sample[]): Verdict {
  const measured = spreadOf(measure(bar, samples))
  const { title } = figures[bar.figure]
  const ratio = bar.kind !== 'own'
  const what = bar.kind === 'own' ? title : bar.kind === 'peer' ? `${title} / ${bar.peer}` : `${title} / ${bar.from}`
  const limits = [bar.atMost === undefined ? [] : `≤ ${bar.atMost}`, bar.atLeast === undefined ? [] : `≥ ${bar.atLeast}`].flat()
  const missing = bar.kind === 'peer' && !samples.some(({ target, error }) => target === bar.peer && error === undefined)
  return {
    scenario: bar.scenario,
    what,
    wanted: limits.join(', ') + (ratio ? ' ×' : ''),
    measured,
    digits: ratio ? 2 : figures[bar.figure].digits,
    unit: ratio ? ' ×' : '',
    met: measured === undefined ? undefined : measured.median <= (bar.atMost ?? Infinity) && measured.median >= (bar.atLeast ?? -Infinity),
    ...(measured === undefined ? { why: missing ? `without ${bar.peer}` : 'not measured' } : {})
  }
}
