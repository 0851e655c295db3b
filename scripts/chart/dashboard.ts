// The Grafana dashboard as JSON.
import { rows } from './panels.ts'
import type { Panel } from './panels.ts'

const width = 8
const height = 8
/** Grafana's grid has so many columns. */
const columns = 24

const datasource = { type: 'prometheus', uid: '$datasource' }

function panel (id: number, one: Panel, x: number, y: number): object {
  const { title, help, unit, queries, words } = one
  return {
    id,
    type: 'timeseries',
    title,
    description: help,
    datasource,
    gridPos: { x, y, w: width, h: height },
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        custom: { fillOpacity: 5, showPoints: 'never', ...(words === undefined ? {} : { lineInterpolation: 'stepAfter' }) },
        ...(words === undefined ? {} : { mappings: [{ type: 'value', options: Object.fromEntries(Object.entries(words).map(([value, text], index) => [value, { text, index }])) }] })
      },
      overrides: []
    },
    options: { legend: { displayMode: 'list', placement: 'bottom', showLegend: true }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: queries.map(({ expr, legend }, at) => ({ refId: String.fromCharCode(65 + at), datasource, expr, legendFormat: legend, range: true }))
  }
}

function variable (name: string, label: string, query: string): object {
  return {
    name,
    label,
    type: 'query',
    datasource,
    query: { query, refId: name },
    definition: query,
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' }
  }
}

/** The content of chart/dashboards/router.json. */
export function dashboard (): object {
  const panels: object[] = []
  let y = 0
  for (const { title, panels: inRow } of rows) {
    panels.push({ id: panels.length + 1, type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: columns, h: 1 }, panels: [] })
    y++
    for (const [at, one] of inRow.entries()) {
      const x = at * width % columns
      panels.push(panel(panels.length + 1, one, x, y))
      if (x + width === columns || at === inRow.length - 1) y += height
    }
  }
  return {
    uid: 'fastify-vllm-router',
    title: 'vLLM router',
    tags: ['vllm', 'router'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', current: {} },
        variable('namespace', 'Namespace', 'label_values(vllm_router_active_workers, namespace)'),
        variable('job', 'Router', 'label_values(vllm_router_active_workers{namespace=~"$namespace"}, job)'),
        variable('worker', 'Worker', 'label_values(vllm_router_worker_health{namespace=~"$namespace",job=~"$job"}, worker)')
      ]
    },
    panels
  }
}
