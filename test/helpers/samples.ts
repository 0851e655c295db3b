// Reads a Prometheus page in tests: the value of a metric, or the sum of all its series that have certain labels.
import type { FastifyInstance } from 'fastify'

/** One page of metrics. */
export interface Samples {
  /** Names with HELP, and with TYPE. */
  readonly help: ReadonlySet<string>
  readonly type: ReadonlyMap<string, string>
  /** All series, as they stand on the page. */
  readonly series: readonly string[]
  /** Sum over the series of a name (`vllm_router_` is put before it) whose labels hold all of `labels`; 0 when there are none. */
  sum (name: string, labels?: Readonly<Record<string, string>>): number
}

/** Takes a page apart. */
export function readSamples (page: string): Samples {
  const help = new Set<string>()
  const type = new Map<string, string>()
  const values = new Map<string, number>()
  for (const line of page.split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (kind === 'HELP') help.add(name)
    else if (kind === 'TYPE') type.set(name, rest)
    else if (line !== '') values.set(line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1)))
  }
  return {
    help,
    type,
    series: [...values.keys()],
    sum (name, labels = {}) {
      const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`)
      let total = 0
      for (const [series, value] of values) {
        // a label may hold a brace, too
        const [own = '', ...shown] = series.split('{')
        if (own === `vllm_router_${name}` && wanted.every(label => shown.join('{').includes(label))) total += value
      }
      return total
    }
  }
}

/** The metrics of a router as they are now. */
export async function samplesOf (router: FastifyInstance): Promise<Samples> {
  return readSamples(await router.metricsRegistry.metrics())
}
