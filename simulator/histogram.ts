// A Prometheus histogram with fixed buckets, just large enough for the metrics page of a simulated worker.

/** Upper bounds in seconds of vLLM's time-to-first-token histogram. */
export const firstTokenBuckets: readonly number[] = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560]

/** Upper bounds in seconds of vLLM's inter-token latency histogram. */
export const interTokenBuckets: readonly number[] = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80]

export class Histogram {
  private readonly bounds: readonly number[]
  private readonly counts: number[]
  private sum = 0
  private total = 0

  constructor (bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = bounds.map(() => 0)
  }

  /** Counts one value, in seconds. */
  observe (seconds: number): void {
    this.sum += seconds
    this.total++
    const at = this.bounds.findIndex(bound => seconds <= bound)
    if (at >= 0) this.counts[at] = (this.counts[at] ?? 0) + 1
  }

  /** Its lines on a metrics page; `labels` without braces. */
  lines (name: string, labels: string): string[] {
    let below = 0
    const lines = this.bounds.map((bound, at) => {
      below += this.counts[at] ?? 0
      return `${name}_bucket{${labels},le="${bound}"} ${below}`
    })
    lines.push(`${name}_bucket{${labels},le="+Inf"} ${this.total}`, `${name}_sum{${labels}} ${this.sum}`, `${name}_count{${labels}} ${this.total}`)
    return lines
  }
}
