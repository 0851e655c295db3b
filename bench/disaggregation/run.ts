// Plays a trace against a split fleet, and says what came of it.
import { quantile } from '../faults/figures.ts'
import { playArrivals } from '../replay/arrivals.ts'
import type { OpenTrace } from '../replay/trace.ts'
import { PdFleet } from './fleet.ts'
import type { FleetOptions } from './fleet.ts'

/** Figures of one way to split; times in milliseconds. */
export interface PdFigures {
  readonly requests: number
  readonly refused: number
  /** Share of the requests that had a prefill worker. */
  readonly split: number
  readonly ttft_p50_ms: number
  readonly ttft_p90_ms: number
  readonly ttft_p99_ms: number
  /** Of the answers' mean times between two tokens. */
  readonly itl_p90_ms: number
  readonly itl_p99_ms: number
  /** Of all single times between two tokens. */
  readonly gap_p99_ms: number
}

/** Plays the first `requests` of a trace, its time passing `load` times as fast; the same arguments always bring the same figures. */
export function playSplit (trace: OpenTrace, options: FleetOptions, load: number, requests = Infinity): PdFigures {
  const fleet = new PdFleet(options)
  const arrivals = trace.arrivals.slice(0, requests)
  playArrivals(fleet.clock, arrivals, load, arrival => { fleet.send(arrival) })
  const { outcomes, gaps, refused } = fleet
  if (outcomes.length + refused !== arrivals.length) throw new Error(`${arrivals.length - outcomes.length - refused} requests were never answered`)
  const ttft = outcomes.map(({ ttftMs }) => ttftMs)
  const itl = outcomes.flatMap(({ itlMs }) => itlMs ?? [])
  return {
    requests: outcomes.length,
    refused,
    split: outcomes.filter(({ split }) => split).length / outcomes.length,
    ttft_p50_ms: quantile(ttft, 0.5),
    ttft_p90_ms: quantile(ttft, 0.9),
    ttft_p99_ms: quantile(ttft, 0.99),
    itl_p90_ms: quantile(itl, 0.9),
    itl_p99_ms: quantile(itl, 0.99),
    gap_p99_ms: gaps.sort((one, two) => one - two)[Math.floor(gaps.length * 0.99)] ?? 0
  }
}
