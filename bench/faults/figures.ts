// What a scenario tells: its figures, and the bars they have to clear.

/** One bar: a figure and what it must be. */
export interface Bar {
  readonly name: string
  readonly ok: boolean
  /** The figure as measured, for people. */
  readonly measured: string
  /** What it must be, for people. */
  readonly wanted: string
}

/** What became of one run of a scenario. */
export interface Result {
  readonly scenario: string
  /** Policy it ran with. */
  readonly policy: string
  readonly seconds: number
  /** Further figures, without a bar. */
  readonly figures: Readonly<Record<string, string>>
  readonly bars: readonly Bar[]
}

/** A figure that must not exceed `most`. */
export function atMost (name: string, value: number, most: number, unit = '', digits = 0): Bar {
  return { name, ok: value <= most, measured: value.toFixed(digits) + unit, wanted: `≤ ${most.toFixed(digits)}${unit}` }
}

/** A figure that must reach `least`. */
export function atLeast (name: string, value: number, least: number, unit = '', digits = 0): Bar {
  return { name, ok: value >= least, measured: value.toFixed(digits) + unit, wanted: `≥ ${least.toFixed(digits)}${unit}` }
}

/** The value below which `share` of the values lie; NaN when there are none. */
export function quantile (values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
}

/** Milliseconds, for people. */
export function ms (value: number): string {
  return Number.isNaN(value) ? '–' : `${value.toFixed(value < 10 ? 1 : 0)} ms`
}

/** Bytes as MB, for people. */
export function mb (bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
