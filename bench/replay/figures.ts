// The figures of a replay.
import { quantile } from '../faults/figures.ts'
import type { Replayed } from './run.ts'

/** What an answer must keep to count as good. */
export interface Slo {
  readonly ttftMs: number
  /** Mean time between two tokens of one answer. */
  readonly itlMs: number
}

/** Figures of one trace under one policy; times in milliseconds. */
export interface Figures {
  readonly requests: number
  readonly refused: number
  readonly ttft_p50_ms: number
  readonly ttft_p90_ms: number
  readonly ttft_p99_ms: number
  readonly e2e_p50_ms: number
  readonly e2e_p90_ms: number
  readonly e2e_p99_ms: number
  readonly itl_p50_ms: number
  readonly itl_p90_ms: number
  readonly itl_p99_ms: number
  /** Requests that kept both bounds, by the time in which requests came. */
  readonly goodput_rps: number
  /** Share of the requests that kept both bounds; a refused one did not. */
  readonly attained: number
  /** Share of all prompt tokens that were found in a prefix cache. */
  readonly hit_rate: number
  /** The busiest worker's mean requests in flight over the mean of all workers. */
  readonly load_max_over_mean: number
  /** From the first request to the last token. */
  readonly span_s: number
}

/** Works out the figures. */
export function figuresOf ({ outcomes, refused, windowMs, spanMs, loads }: Replayed, slo: Slo): Figures {
  const ttft = outcomes.map(({ ttftMs }) => ttftMs)
  const e2e = outcomes.map(({ totalMs }) => totalMs)
  const itl = outcomes.flatMap(({ itlMs, output }) => output > 1 ? [itlMs] : [])
  const good = outcomes.filter(({ ttftMs, itlMs }) => ttftMs <= slo.ttftMs && itlMs <= slo.itlMs).length
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
  const tokens = sum(outcomes.map(one => one.tokens))
  const mean = sum(loads) / Math.max(1, loads.length)
  return {
    requests: outcomes.length,
    refused,
    ttft_p50_ms: quantile(ttft, 0.5),
    ttft_p90_ms: quantile(ttft, 0.9),
    ttft_p99_ms: quantile(ttft, 0.99),
    e2e_p50_ms: quantile(e2e, 0.5),
    e2e_p90_ms: quantile(e2e, 0.9),
    e2e_p99_ms: quantile(e2e, 0.99),
    itl_p50_ms: quantile(itl, 0.5),
    itl_p90_ms: quantile(itl, 0.9),
    itl_p99_ms: quantile(itl, 0.99),
    goodput_rps: windowMs === 0 ? 0 : good / windowMs * 1000,
    attained: outcomes.length === 0 ? 0 : good / (outcomes.length + refused),
    hit_rate: tokens === 0 ? 0 : sum(outcomes.map(one => one.cached)) / tokens,
    load_max_over_mean: mean === 0 ? 0 : Math.max(...loads) / mean,
    span_s: spanMs / 1000
  }
}
