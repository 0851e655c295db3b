// One answer to a scrape for all processes: counters and histograms add up, children that ended included; gauges as each says of itself.
import type { FastifyInstance } from 'fastify'
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client'
import type { Child } from './supervisor.ts'
import type { MetricData } from './messages.ts'

/** Milliseconds a child gets to tell its metrics; then the last it told are taken. */
const patienceMs = 2000

/** Series of ended children that are kept, over all metrics; those of the earliest go first. They have the labels of living ones. */
const maxRetired = 200_000

/** Reads a registry as another process can be told of it. */
export async function readMetrics (registry: Registry): Promise<MetricData[]> {
  const metrics: MetricData[] = []
  for (const { name, help, type, aggregator, values } of await registry.getMetricsAsJSON() as unknown as MetricData[]) {
    metrics.push({ name, help, type: String(type), aggregator, values })
  }
  return metrics
}

/** What adds up over time, and must not get less when a process ends. */
function lasting (metrics: readonly MetricData[]): MetricData[] {
  return metrics.filter(({ type, aggregator }) => (type === 'counter' || type === 'histogram') && aggregator === 'sum')
}

/** Counts, for `--processes`, what processes do not tell each other. */
export function countDropped (registry: Registry, dropped: () => number): void {
  // eslint-disable-next-line no-new
  new Counter({
    name: 'vllm_router_prefixes_not_shared_total',
    help: 'Conversations that a process sent to a worker and some other process was not told of, because they were too many',
    registers: [registry],
    collect () {
      this.reset()
      this.inc(dropped())
    }
  })
}

/** What the primary reads of its children. */
export interface Family {
  readonly children: readonly Child[]
  /** How many take requests. */
  readonly serving: number
}

/** The metrics of all processes together; what the metrics listener serves. */
export class FleetMetrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE
  readonly restarts: Counter
  private readonly router: FastifyInstance
  private readonly family: () => Family
  private readonly last = new Map<Child, readonly MetricData[]>()
  private retired: MetricData[][] = []
  /** Whose metrics are among the retired: what they might say yet is in there. */
  private readonly ended = new WeakSet<Child>()
  private underWay: Promise<string> | undefined

  /** @param router the primary's, which knows the fleet for all */
  constructor (router: FastifyInstance, family: () => Family) {
    this.router = router
    this.family = family
    const registers = [router.metricsRegistry]
    this.restarts = new Counter({ name: 'vllm_router_process_restarts_total', help: 'Processes that ended without being told to and were replaced', registers })
    // eslint-disable-next-line no-new
    new Gauge({
      name: 'vllm_router_processes', help: 'Processes that take requests', registers, collect () { this.set(family().serving) }
    })
  }

  /** Scrapes at the same time are one. */
  metrics (): Promise<string> {
    this.underWay ??= this.collect().finally(() => { this.underWay = undefined })
    return this.underWay
  }

  /** A child has ended, and told these before, if it could. */
  retire (child: Child, metrics = this.last.get(child)): void {
    if (this.ended.has(child)) return
    this.ended.add(child)
    this.last.delete(child)
    if (metrics !== undefined) this.retired.push(lasting(metrics))
  }

  private async collect (): Promise<string> {
    await Promise.all(this.family().children.map(async child => {
      // one that has just been started has nothing to tell
      if (child.state === 'starting') return
      const told = await child.channel.ask('metrics', undefined, patienceMs).catch(() => undefined)
      if (told !== undefined && !this.ended.has(child)) this.last.set(child, told)
    }))
    // the reports of the children have come with their answers: what the primary knows of workers is of this moment
    const own = await readMetrics(this.router.metricsRegistry)
    this.prune()
    // the primary comes first: what is the same for all is taken from it
    return await AggregatorRegistry.aggregate([own, ...this.last.values(), ...this.retired] as object[]).metrics()
  }

  /** Makes one of all that ended, without series of workers that are gone: living processes have forgotten them, too. */
  private prune (): void {
    if (this.retired.length === 0) return
    const { workers } = this.router
    const byName = new Map<string, Map<string, MetricData['values'][number]>>()
    const shape = new Map<string, MetricData>()
    let room = maxRetired
    for (const metric of this.retired.toReversed().flat()) {
      shape.set(metric.name, metric)
      let series = byName.get(metric.name)
      if (series === undefined) byName.set(metric.name, series = new Map())
      for (const value of metric.values) {
        const { worker } = value.labels
        if (worker !== undefined && workers.get(String(worker)) === undefined) continue
        const key = `${value.metricName ?? ''} ${JSON.stringify(Object.entries(value.labels).sort())}`
        const known = series.get(key)
        if (known === undefined && room-- <= 0) continue
        series.set(key, known === undefined ? value : { ...known, value: known.value + value.value })
      }
    }
    this.retired = [[...byName].map(([name, series]) => ({ ...shape.get(name) as MetricData, values: [...series.values()] }))]
  }
}
