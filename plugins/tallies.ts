// Counters and histograms in plain numbers: an event costs an addition, and prom-client is handed the sums when somebody asks.
import type { Registry } from 'prom-client'
import type promClient from 'prom-client'

/** One series of a counter. */
export class Count {
  value = 0

  inc (by = 1): void {
    this.value += by
  }
}

/** One series of a histogram. */
export class Spread {
  sum = 0
  count = 0
  /** Values in each bucket alone, not in those below it. */
  readonly perBucket: Float64Array
  private readonly bounds: readonly number[]

  /** @param bounds the largest value of each bucket, ascending; greater values are in none */
  constructor (bounds: readonly number[]) {
    this.bounds = bounds
    this.perBucket = new Float64Array(bounds.length)
  }

  observe (value: number): void {
    this.sum += value
    this.count++
    const { bounds, perBucket } = this
    for (let at = 0; at < bounds.length; at++) {
      if (value > (bounds[at] as number)) continue
      perBucket[at] = (perBucket[at] as number) + 1
      return
    }
  }
}

type Labels = Record<string, string | number>

/** The series of one metric by the values of its labels, which are made when they are first asked for. */
export class Family<Series> {
  private readonly names: readonly string[]
  private readonly make: () => Series
  private readonly series = new Map<string, { readonly labels: Labels, readonly series: Series }>()

  constructor (names: readonly string[], make: () => Series) {
    this.names = names
    this.make = make
  }

  /** The series with these values, in the order of the labels' names. */
  labels (...values: string[]): Series {
    const key = values.length === 1 ? values[0] as string : values.join('\0')
    let known = this.series.get(key)
    if (known === undefined) {
      known = { labels: Object.fromEntries(this.names.map((name, at) => [name, values[at] ?? ''])), series: this.make() }
      this.series.set(key, known)
    }
    return known.series
  }

  /** Forgets a series: it is not shown any more, whoever still counts in it. */
  remove (...values: string[]): void {
    this.series.delete(values.join('\0'))
  }

  [Symbol.iterator] (): Iterator<{ readonly labels: Labels, readonly series: Series }> {
    return this.series.values()
  }
}

/** Makes a counter in a registry. @param together how the numbers of several processes become one */
export function countFamily (
  client: typeof promClient, register: Registry, name: string, help: string, labelNames: readonly string[], together: promClient.Aggregator = 'sum'
): Family<Count> {
  const family = new Family(labelNames, () => new Count())
  // eslint-disable-next-line no-new
  new client.Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [register],
    aggregator: together,
    collect () {
      this.reset()
      for (const { labels, series } of family) this.inc(labels, series.value)
    }
  })
  return family
}

/** Makes a histogram in a registry. */
export function spreadFamily (client: typeof promClient, register: Registry, name: string, help: string, buckets: readonly number[], labelNames: readonly string[]): Family<Spread> {
  const family = new Family(labelNames, () => new Spread(buckets))
  const histogram = new client.Histogram({ name, help, buckets: [...buckets], labelNames: [...labelNames], registers: [register] })
  // prom-client takes the values of a histogram one by one only; a registry asks for either of these
  const read = async (): Promise<object> => ({
    name, help, type: 'histogram', aggregator: 'sum', values: [...family].flatMap(({ labels, series }) => valuesOf(name, labels, series, buckets))
  })
  Object.assign(histogram, { get: read, getForPromString: read })
  return family
}

function valuesOf (name: string, labels: Labels, { perBucket, count, sum }: Spread, bounds: readonly number[]): Array<{ metricName: string, labels: Labels, value: number }> {
  let below = 0
  const buckets = bounds.map((le, at) => {
    below += perBucket[at] as number
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: below }
  })
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: count },
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count }
  ]
}
