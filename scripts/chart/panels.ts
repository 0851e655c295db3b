// The panels of the Grafana dashboard, row by row: what each asks Prometheus, and in which unit it answers.

/** One line of a panel, or several by a label. */
export interface Query {
  readonly expr: string
  readonly legend: string
}

/** A panel. */
export interface Panel {
  readonly title: string
  /** What a person is to see in it. */
  readonly help: string
  /** Grafana's name of the unit. */
  readonly unit: 'reqps' | 'short' | 's' | 'percentunit' | 'bytes' | 'ops'
  readonly queries: readonly Query[]
  /** A number instead of a curve. */
  readonly number?: true
  /** Values with a meaning. */
  readonly words?: Readonly<Record<number, string>>
}

/** A row of panels. */
export interface Row {
  readonly title: string
  readonly panels: readonly Panel[]
}

/** Which routers: the variables of the dashboard. */
const which = 'namespace=~"$namespace",job=~"$job"'
/** Those, and a worker. */
const worker = `${which},worker=~"$worker"`

const rate = (metric: string, labels = which): string => `rate(vllm_router_${metric}{${labels}}[$__rate_interval])`
const gauge = (metric: string, labels = which): string => `vllm_router_${metric}{${labels}}`
const share = (part: string, whole: string): string => `${part} / (${whole} > 0)`

/** Percentiles of a histogram, one line each. */
function quantiles (metric: string, by: readonly string[] = [], wanted: readonly number[] = [0.5, 0.95, 0.99]): Query[] {
  return wanted.map(quantile => ({
    expr: `histogram_quantile(${quantile}, sum by (${['le', ...by].join(', ')}) (${rate(`${metric}_bucket`)}))`,
    legend: [`p${quantile * 100}`, ...by.map(label => `{{${label}}}`)].join(' ')
  }))
}

/** A sum by labels. */
function sum (expr: string, ...by: string[]): Query {
  return { expr: by.length === 0 ? `sum(${expr})` : `sum by (${by.join(', ')}) (${expr})`, legend: by.length === 0 ? 'all' : by.map(label => `{{${label}}}`).join(' ') }
}

const fleet: Row = {
  title: 'Fleet',
  panels: [
    { title: 'Requests', help: 'Requests for workers, by route.', unit: 'reqps', queries: [sum(rate('requests_total'), 'route')] },
    {
      title: 'Requests that did not end well',
      help: 'Part of all requests, by kind. backend_error is an answer of a worker with 4xx or 5xx, client_gone a client that left.',
      unit: 'percentunit',
      queries: [{
        expr: `sum by (error_type) (${rate('request_errors_total')}) / ignoring(error_type) group_left () (sum(${rate('requests_total')}) > 0)`,
        legend: '{{error_type}}'
      }]
    },
    { title: 'Callers', help: 'Requests whose caller was asked for, by what came of it.', unit: 'reqps', queries: [sum(rate('auth_decisions_total'), 'outcome')] },
    { title: 'Workers that take requests', help: 'As each router sees it; all should say the same.', unit: 'short', queries: [{ expr: gauge('active_workers'), legend: '{{pod}}' }] },
    { title: 'In flight', help: 'Requests that were let in and have not ended.', unit: 'short', queries: [sum(gauge('in_flight_requests'), 'pod')] },
    { title: 'In the queue', help: 'Requests that wait for a place.', unit: 'short', queries: [sum(gauge('queue_depth'), 'pod')] },
    { title: 'Turned away', help: 'Requests that found the queue full, or waited too long in it.', unit: 'reqps', queries: [sum(rate('queue_rejections_total'), 'reason')] },
    {
      title: 'Tokens a second',
      help: 'As workers count them, where they tell.',
      unit: 'ops',
      queries: [
        { expr: `sum(${rate('prompt_tokens_total')})`, legend: 'prompt' },
        { expr: `sum(${rate('cached_tokens_total')})`, legend: 'prompt, from the cache' },
        { expr: `sum(${rate('completion_tokens_total')})`, legend: 'generated' }
      ]
    },
    {
      title: 'Prompt tokens found in a cache',
      help: 'What routing by prefix is for.',
      unit: 'percentunit',
      queries: [{ expr: share(`sum(${rate('cached_tokens_total')})`, `sum(${rate('prompt_tokens_total')})`), legend: 'cached' }]
    },
    { title: 'Choices of a worker', help: 'Why the worker was chosen.', unit: 'ops', queries: [sum(rate('policy_decisions_total'), 'policy', 'reason')] },
    {
      title: 'Retries',
      help: 'Attempts that were followed by another, and requests that got an error all the same.',
      unit: 'reqps',
      queries: [{ ...sum(rate('retries_total')), legend: 'tried again' }, { ...sum(rate('retries_exhausted_total')), legend: 'in vain' }]
    }
  ]
}

const workers: Row = {
  title: 'Per worker',
  panels: [
    { title: 'State', help: 'The worst that any router sees.', unit: 'short', words: { 0: 'out', 1: 'ready' }, queries: [{ expr: `min by (worker) (${gauge('worker_health', worker)})`, legend: '{{worker}}' }] },
    { title: 'In flight', help: 'Requests of all routers.', unit: 'short', queries: [sum(gauge('running_requests', worker), 'worker')] },
    { title: 'Load', help: 'As policies see it: requests in flight, and those of others as the worker reports them.', unit: 'short', queries: [{ expr: `max by (worker) (${gauge('worker_load', worker)})`, legend: '{{worker}}' }] },
    { title: 'Requests', help: 'Requests given to it, every attempt counted.', unit: 'reqps', queries: [sum(rate('processed_requests_total', worker), 'worker')] },
    {
      title: 'Failed calls',
      help: 'Part of its calls that its circuit breaker counted as failures.',
      unit: 'percentunit',
      queries: [{ expr: share(`sum by (worker) (${rate('cb_outcomes_total', `${worker},outcome="failure"`)})`, `sum by (worker) (${rate('cb_outcomes_total', worker)})`), legend: '{{worker}}' }]
    },
    { title: 'Circuit breaker', help: 'The worst that any router has.', unit: 'short', words: { 0: 'closed', 1: 'open', 2: 'half open' }, queries: [{ expr: `max by (worker) (${gauge('cb_state', worker)})`, legend: '{{worker}}' }] },
    { title: 'Share as an outlier', help: 'Less than 1: far slower than its peers, or failing far more, so that it gets less than its fair share.', unit: 'percentunit', queries: [{ expr: `min by (worker) (${gauge('worker_weight', worker)})`, legend: '{{worker}}' }] },
    { title: 'Answers broken off', help: 'Answers that began and did not end.', unit: 'reqps', queries: [sum(rate('stream_errors_total', worker), 'worker')] },
    { title: 'Remembered prompts', help: 'Blocks of prompts, or sessions, that the policy remembers for the worker.', unit: 'short', queries: [sum(gauge('tree_size', worker), 'worker')] }
  ]
}

const stages: Row = {
  title: 'Per stage of a request',
  panels: [
    { title: 'In the queue', help: 'Of those requests that had to wait.', unit: 's', queries: quantiles('queue_wait_seconds') },
    { title: 'In the router', help: 'From having read a request to having handed it to its worker.', unit: 's', queries: quantiles('overhead_seconds') },
    { title: 'To the head of the answer', help: 'From handing a request to its worker.', unit: 's', queries: quantiles('generate_duration_seconds') },
    { title: 'To the first token', help: 'Streams only.', unit: 's', queries: quantiles('time_to_first_token_seconds') },
    { title: 'Between tokens', help: 'Between two pieces of a stream.', unit: 's', queries: quantiles('inter_token_latency_seconds') },
    { title: 'The whole request', help: 'From its arrival to the end of the answer, by route.', unit: 's', queries: quantiles('request_duration_seconds', ['route'], [0.95]) },
    { title: 'Pause before another attempt', help: '0 after a refused connection.', unit: 's', queries: quantiles('retry_backoff_duration_seconds', [], [0.5, 0.95]) },
    { title: 'Embeddings', help: 'From arrival to the end of the answer.', unit: 's', queries: quantiles('embeddings_duration_seconds') }
  ]
}

const disaggregation: Row = {
  title: 'Prefill and decode',
  panels: [
    { title: 'Ways requests went', help: 'Split, or to a decode worker alone and why.', unit: 'reqps', queries: [sum(rate('pd_prefill_decisions_total'), 'reason')] },
    { title: 'Prefill', help: 'Calls to prefill workers that went well.', unit: 's', queries: quantiles('pd_prefill_duration_seconds') },
    { title: 'Both stages', help: 'From handing over a request to the head of its answer.', unit: 's', queries: quantiles('pd_request_duration_seconds', ['route'], [0.5, 0.95]) },
    {
      title: 'Legs by worker',
      help: 'Those that went well.',
      unit: 'reqps',
      queries: [
        { ...sum(rate('pd_prefill_requests_total', worker), 'worker'), legend: 'prefill {{worker}}' },
        { ...sum(rate('pd_decode_requests_total', worker), 'worker'), legend: 'decode {{worker}}' }
      ]
    },
    {
      title: 'Failed legs by worker',
      help: 'But for those that the router or a client ended.',
      unit: 'reqps',
      queries: [
        { ...sum(rate('pd_prefill_errors_total', worker), 'worker'), legend: 'prefill {{worker}}' },
        { ...sum(rate('pd_decode_errors_total', worker), 'worker'), legend: 'decode {{worker}}' }
      ]
    },
    {
      title: 'What went wrong',
      help: 'Kinds of errors; and prefills whose KV blocks nobody is known to have taken, which stay with the worker until its own timeout.',
      unit: 'reqps',
      queries: [sum(rate('pd_errors_total'), 'error_type'), { ...sum(rate('pd_leaked_prefills_total')), legend: 'blocks left' }]
    }
  ]
}

const router: Row = {
  title: 'The router itself',
  panels: [
    { title: 'Overhead', help: 'What the router adds to a request, by pod.', unit: 's', queries: quantiles('overhead_seconds', ['pod'], [0.5, 0.99]) },
    {
      title: 'Event loop delay',
      help: 'How late the process is with everything it does: 99th percentile, and the most.',
      unit: 's',
      queries: [{ expr: `nodejs_eventloop_lag_p99_seconds{${which}}`, legend: 'p99 {{pod}}' }, { expr: `nodejs_eventloop_lag_max_seconds{${which}}`, legend: 'max {{pod}}' }]
    },
    { title: 'CPU', help: 'Cores used. A router runs on one core; beyond that more routers help.', unit: 'short', queries: [{ expr: `rate(process_cpu_seconds_total{${which}}[$__rate_interval])`, legend: '{{pod}}' }] },
    {
      title: 'Memory',
      help: 'Of the process, and the part that holds JavaScript objects.',
      unit: 'bytes',
      queries: [{ expr: `process_resident_memory_bytes{${which}}`, legend: 'process {{pod}}' }, { expr: `nodejs_heap_size_used_bytes{${which}}`, legend: 'heap {{pod}}' }]
    },
    { title: 'Garbage collection', help: 'Seconds in a second.', unit: 'percentunit', queries: [{ expr: `sum by (pod) (rate(nodejs_gc_duration_seconds_sum{${which}}[$__rate_interval]))`, legend: '{{pod}}' }] },
    { title: 'Sources of workers', help: '1 while a source can see its origin.', unit: 'short', words: { 0: 'blind', 1: 'sees' }, queries: [{ expr: `min by (source, pod) (${gauge('discovery_source_ok')})`, legend: '{{source}} {{pod}}' }] },
    { title: 'Age of what sources know', help: 'Since the origin of a source last gave a sign of life.', unit: 's', queries: [{ expr: `max by (source, pod) (${gauge('discovery_stale_seconds')})`, legend: '{{source}} {{pod}}' }] },
    {
      title: 'Lists and watches of sources',
      help: 'Whole lists taken, and watches opened again, by reason.',
      unit: 'ops',
      queries: [
        { ...sum(rate('discovery_relists_total'), 'source', 'reason'), legend: 'list {{source}} {{reason}}' },
        { ...sum(rate('discovery_watch_restarts_total'), 'source', 'reason'), legend: 'watch {{source}} {{reason}}' }
      ]
    },
    { title: 'Workers that came or went', help: 'Changes of the fleet, by source.', unit: 'ops', queries: [sum(rate('discovery_updates_total'), 'source')] },
    { title: 'Circuit breaker moves', help: 'By the state they went to.', unit: 'ops', queries: [sum(rate('cb_state_transitions_total'), 'to')] }
  ]
}

/** The rows, top to bottom. */
export const rows: readonly Row[] = [fleet, workers, stages, disaggregation, router]
