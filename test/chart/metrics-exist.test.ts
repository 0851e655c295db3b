// Dashboard, alerts, autoscalers and documents name only metrics that a router really has, with labels that those metrics really have.
import { readFileSync, readdirSync } from 'node:fs'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { parse } from 'yaml'
import vllmRouter from '../../router.ts'
import { countDropped, FleetMetrics } from '../../server/processes/metrics.ts'
import { usesOf } from './promql.ts'

/** Labels that Prometheus gives every series of a target. */
const ofTargets = ['namespace', 'pod', 'job', 'instance', 'container', 'endpoint', 'service', 'node']

/** Every series name of a router, with its labels. */
async function series (): Promise<ReadonlyMap<string, readonly string[]>> {
  let router: FastifyInstance | undefined
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(vllmRouter, { extend: scope => { router = scope } })
  await app.ready()
  if (router === undefined) throw new Error('no router')
  // those of `--processes`, too
  // eslint-disable-next-line no-new
  new FleetMetrics(router, () => ({ children: [], serving: 0 }))
  countDropped(router.metricsRegistry, () => 0)
  const names = new Map<string, readonly string[]>()
  for (const { name, type } of await router.metricsRegistry.getMetricsAsJSON()) {
    const metric = router.metricsRegistry.getSingleMetric(name)
    const labels = metric !== undefined && 'labelNames' in metric ? metric.labelNames as readonly string[] : []
    if (String(type) === 'histogram') {
      names.set(`${name}_bucket`, [...labels, 'le'])
      names.set(`${name}_sum`, labels)
      names.set(`${name}_count`, labels)
    } else names.set(name, labels)
  }
  return names
}

const known = await series()

interface Dashboard {
  readonly panels: ReadonlyArray<{ readonly type: string, readonly title: string, readonly description?: string, readonly targets?: ReadonlyArray<{ readonly expr: string }> }>
  readonly templating: { readonly list: ReadonlyArray<{ readonly name: string, readonly type: string, readonly definition?: string }> }
}
interface Rules {
  readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<{ readonly alert: string, readonly expr: string, readonly for: string, readonly labels: { severity: string }, readonly annotations: Record<string, string> }> }>
}
const dashboard = JSON.parse(readFileSync('chart/dashboards/router.json', 'utf8')) as Dashboard
const rules = (parse(readFileSync('chart/rules.yaml', 'utf8')) as Rules).groups.flatMap(group => group.rules)

/** What is wrong with an expression. */
function faults (expression: string): string[] {
  const uses = usesOf(expression)
  if (uses.length === 0) return ['names no metric']
  return uses.flatMap(({ metric, labels }) => {
    const own = known.get(metric)
    if (own === undefined) return [`there is no ${metric}`]
    return labels.filter(label => !own.includes(label) && !ofTargets.includes(label)).map(label => `${metric} has no label ${label}`)
  })
}

t.test('the check finds what is wrong', async t => {
  t.same(faults('sum by (route) (rate(vllm_router_requests_total{namespace=~"$namespace"}[5m])) > 0'), [])
  t.same(faults('histogram_quantile(0.9, sum by (le, pod) (rate(vllm_router_overhead_seconds_bucket[$__rate_interval])))'), [])
  t.same(faults('vllm_router_requests'), ['there is no vllm_router_requests'])
  t.same(faults('vllm_router_overhead_seconds'), ['there is no vllm_router_overhead_seconds'], 'a histogram has no series of its own name')
  t.same(faults('sum by (worker) (vllm_router_requests_total)'), ['vllm_router_requests_total has no label worker'])
  t.same(faults('vllm_router_worker_health{model="a"} / on (worker) group_left () up'), ['vllm_router_worker_health has no label model', 'there is no up'])
  t.same(faults('1 > 0'), ['names no metric'])
})

t.test('panels', async t => {
  const panels = dashboard.panels.filter(panel => panel.type !== 'row')
  t.ok(panels.length > 20)
  for (const { title, description, targets = [] } of panels) {
    t.ok(targets.length > 0 && description !== undefined, title)
    for (const { expr } of targets) t.same(faults(expr), [], `${title}: ${expr}`)
  }
  for (const row of ['Fleet', 'Per worker', 'Per stage of a request', 'Prefill and decode', 'The router itself']) t.ok(dashboard.panels.some(panel => panel.type === 'row' && panel.title === row), row)
})

t.test('variables', async t => {
  const variables = dashboard.templating.list
  for (const { name, definition } of variables.filter(variable => variable.type === 'query')) {
    const [, selector = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(definition ?? '') ?? []
    t.same(faults(`sum by (${label}) (${selector})`), [], name)
  }
  const names = variables.map(variable => variable.name)
  const used = new Set([...JSON.stringify(dashboard).matchAll(/\$(?!__)(\w+)/g)].map(([, name]) => name))
  t.same([...used].filter(name => !names.includes(name ?? '')), [])
  t.same(names.filter(name => !used.has(name)), [])
})

t.test('alerts', async t => {
  t.ok(rules.length > 10)
  t.equal(new Set(rules.map(rule => rule.alert)).size, rules.length, 'names are unique')
  for (const { alert, expr, labels, annotations, for: lasts } of rules) {
    t.same(faults(expr), [], alert)
    t.match(labels.severity, /^(warning|critical)$/, alert)
    t.match(lasts, /^\d+m$/, alert)
    t.ok(annotations['summary'] !== undefined && annotations['description'] !== undefined, alert)
    // a label in a sentence must be one that the expression leaves
    const left = /^\w+$/.test(expr.split(' ')[0] ?? '') && !expr.includes(' by ')
      ? [...ofTargets, ...known.get(expr.split(' ')[0] ?? '') ?? []]
      : [.../\bby \(([^)]+)\)/.exec(expr)?.[1]?.split(', ') ?? []]
    for (const [, label = ''] of Object.values(annotations).join().matchAll(/\$labels\.(\w+)/g)) t.ok(left.includes(label), `${alert}: ${label}`)
  }
})

t.test('whatever else names a metric', async t => {
  const bases = new Set([...known.keys()].map(name => name.replace(/_(bucket|sum|count)$/, '')))
  const files = [
    ...['chart', 'chart/templates', 'chart/examples', 'docs'].flatMap(folder => readdirSync(folder).filter(name => /\.(ya?ml|tpl|md|txt)$/.test(name)).map(name => `${folder}/${name}`)),
    'README.md'
  ]
  for (const file of files) {
    // with a star they mean a family
    for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(/\b(vllm_router_[a-z_]*[a-z])\b(?![a-z_]*\*)/g)) t.ok(known.has(name) || bases.has(name), `${file}: ${name}`)
  }
})
