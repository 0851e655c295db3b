// Every metric of the router: name, help and labels, made in a registry of one's own. Names follow the Rust router's where they mean the same.
import type { Registry } from 'prom-client'
import type promClient from 'prom-client'
import type { BreakerState } from '../core/breaker.ts'
import type { DiscoverySource, SourceCounts } from '../discovery/discovery.ts'
import { countFamily, spreadFamily } from './tallies.ts'
import type { Count, Family, Spread } from './tallies.ts'

/** Buckets of the Rust router for durations, in seconds. */
export const durations: number[] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30, 45, 60, 90, 120, 180, 240]
/** Between two pieces of a stream: a token takes milliseconds to tens of them. */
const gaps = [0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2.5, 10]
/** The router's own share of a request. */
const overheads = [0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 1]

/** The metrics that are written when something happens. */
export interface RouterMetrics {
  readonly requests: Family<Count>
  readonly requestErrors: Family<Count>
  readonly requestDuration: Family<Spread>
  readonly generateDuration: Spread
  readonly timeToFirstToken: Spread
  readonly interTokenLatency: Spread
  readonly overhead: Spread
  readonly promptTokens: Count
  readonly cachedTokens: Count
  readonly completionTokens: Count
  readonly decisions: Family<Count>
  readonly cacheHits: Count
  readonly cacheMisses: Count
  readonly balancing: Count
  readonly processed: Family<Count>
  readonly streamErrors: Family<Count>
  readonly embeddings: Count
  readonly embeddingsErrors: Family<Count>
  readonly embeddingsDuration: Spread
  readonly retries: Family<Count>
  readonly retriesExhausted: Family<Count>
  readonly retryBackoff: Family<Spread>
  readonly discoveryUpdates: Family<Count>
  readonly registrations: Family<Count>
  readonly registrationsRefused: Family<Count>
  readonly breakerTransitions: Family<Count>
  readonly breakerOutcomes: Family<Count>
  readonly queueWait: Spread
  readonly queueRejections: Family<Count>
  readonly authDecisions: Family<Count>
  readonly authGraces: Count
  readonly authValidations: Family<Spread>
  readonly callerRequests: Family<Count>
  readonly callerTokens: Family<Count>
}

/** One worker as gauges show it; what is undefined is not shown. */
export interface WorkerReading {
  readonly id: string
  readonly ready: boolean
  readonly inFlight: number
  readonly load: number
  readonly indexed: number | undefined
  readonly weight: number
  readonly breaker: BreakerState | undefined
}

/** States of a breaker as numbers, those of the Rust router. */
const breakerStates: Readonly<Record<BreakerState, number>> = { closed: 0, open: 1, half_open: 2 }

/** What gauges read when somebody looks. */
export interface Readings {
  /** Workers by id with what is to be shown of each. */
  readonly workers: () => Iterable<WorkerReading>
  readonly ready: () => number
  readonly minInFlight: () => number
  readonly maxInFlight: () => number
  /** Requests that wait to be let in, and that were. */
  readonly queued: () => number
  readonly admitted: () => number
  readonly sources: () => Iterable<DiscoverySource>
  /** Requests in the recording, and those that are not in it by why; undefined where none is made. */
  readonly recorded: () => { written: number, lost: Readonly<Record<string, number>> } | undefined
  /** Tokens remembered. */
  readonly tokens: () => { valid: number, invalid: number }
}

const prefix = 'vllm_router_'

/** How one number is made of those of several processes (`--processes`); `first`: the first process knows it for all. */
type Together = 'sum' | 'min' | 'max' | 'first'

/** What makes metrics in a registry, where none with labels is asked for: their one series. */
export interface Makers {
  counter (name: string, help: string): Count
  counters (name: string, help: string, labelNames: readonly string[], together?: Together): Family<Count>
  histogram (name: string, help: string, buckets: readonly number[]): Spread
  histograms (name: string, help: string, buckets: readonly number[], labelNames: readonly string[]): Family<Spread>
}

/** Makes metrics in a registry. */
export function makersFor (client: typeof promClient, register: Registry): Makers {
  const counters: Makers['counters'] = (name, help, labelNames, together) => countFamily(client, register, prefix + name, help, labelNames, together)
  const histograms: Makers['histograms'] = (name, help, buckets, labelNames) => spreadFamily(client, register, prefix + name, help, buckets, labelNames)
  return {
    counters,
    histograms,
    counter: (name, help) => counters(name, help, []).labels(),
    histogram: (name, help, buckets) => histograms(name, help, buckets, []).labels()
  }
}

/** Makes the metrics that events write. */
export function eventMetrics (client: typeof promClient, register: Registry): RouterMetrics {
  const { counter, counters, histogram, histograms } = makersFor(client, register)
  return {
    requests: counters('requests_total', 'Requests to be served by a worker, by route, whatever became of them', ['route']),
    requestErrors: counters('request_errors_total', 'Requests that did not end well, by route and kind: backend_error (the worker answered 4xx or 5xx), client_gone, stream_broken, or the code of the router\'s own error', ['route', 'error_type']),
    requestDuration: histograms('request_duration_seconds', 'From the request\'s arrival to the end of its answer, by route', durations, ['route']),
    generateDuration: histogram('generate_duration_seconds', 'From handing a generation request to its worker to the head of the answer', durations),
    timeToFirstToken: histogram('time_to_first_token_seconds', 'From handing a streamed request to its worker to the first byte of the stream', durations),
    interTokenLatency: histogram('inter_token_latency_seconds', 'Between two pieces of a stream as they came from the worker', gaps),
    overhead: histogram('overhead_seconds', 'What the router itself added: from having read a request to having handed it to its worker', overheads),
    promptTokens: counter('prompt_tokens_total', 'Prompt tokens as workers counted them'),
    cachedTokens: counter('cached_tokens_total', 'Prompt tokens that workers found in their KV cache'),
    completionTokens: counter('completion_tokens_total', 'Generated tokens as workers counted them'),
    decisions: counters('policy_decisions_total', 'Choices of a worker, by policy, worker and reason', ['policy', 'worker', 'reason']),
    cacheHits: counter('cache_hits_total', 'Choices of cache_aware for the worker believed to hold the prefix'),
    cacheMisses: counter('cache_misses_total', 'Choices of cache_aware for lack of a known prefix'),
    balancing: counter('load_balancing_events_total', 'Choices by load alone, because workers were out of balance'),
    processed: counters('processed_requests_total', 'Requests given to a worker', ['worker']),
    streamErrors: counters('stream_errors_total', 'Answers that a worker broke off', ['worker']),
    embeddings: counter('embeddings_total', 'Embedding requests'),
    embeddingsErrors: counters('embeddings_errors_total', 'Embedding requests that did not end well, by kind', ['error_type']),
    embeddingsDuration: histogram('embeddings_duration_seconds', 'From an embedding request\'s arrival to the end of its answer', durations),
    retries: counters('retries_total', 'Attempts that were followed by another at the same request, by route', ['route']),
    retriesExhausted: counters('retries_exhausted_total', 'Requests that were tried again and got an error all the same, by route', ['route']),
    retryBackoff: histograms('retry_backoff_duration_seconds', 'Pause before another attempt, by the number of the attempt before it (1 to 10, 10+); 0 after a refused connection', durations, ['attempt']),
    discoveryUpdates: counters('discovery_updates_total', 'Changes of the fleet: workers that came or went, by source', ['source'], 'first'),
    registrations: counters('discovery_registrations_total', 'What workers that announce themselves did, by source and result: added, changed, renewed, expired', ['source', 'result']),
    registrationsRefused: counters('discovery_registrations_refused_total', 'Announcements of workers that were not taken, by source and reason: malformed, not_allowed, full, conflict', ['source', 'reason']),
    breakerTransitions: counters('cb_state_transitions_total', 'Moves of a worker\'s circuit breaker, by the states it went from and to: closed, open, half_open', ['worker', 'from', 'to']),
    breakerOutcomes: counters('cb_outcomes_total', 'Calls to a worker as its circuit breaker judged them: success, failure, or neither (a client\'s mistake or departure, a worker that asked for a pause)', ['worker', 'outcome']),
    queueWait: histogram('queue_wait_seconds', 'Time in the queue of requests that had to wait for a place, whether they got one or waited too long', durations),
    queueRejections: counters('queue_rejections_total', 'Requests that were not served, by reason: full (the queue was full), timeout (waited too long)', ['reason']),
    authDecisions: counters('auth_decisions_total', 'Requests whose caller was asked for, by outcome: valid, missing (no bearer token), invalid, unavailable (nobody could tell); and by what recognised the caller: key, jwt, validation, hook, none', ['outcome', 'via']),
    authGraces: counter('auth_grace_total', 'Tokens let in on an old answer because no validation URL could tell; each counts once in 5 seconds'),
    authValidations: histograms('auth_validation_duration_seconds', 'Calls to validation URLs, by answer: valid, invalid, failed', durations, ['answer']),
    callerRequests: counters('caller_requests_total', 'Requests to be served by a worker, by caller; callers beyond --auth-caller-labels are called other', ['caller']),
    callerTokens: counters('caller_tokens_total', 'Tokens as workers counted them, by caller and kind: prompt, completion', ['caller', 'kind'])
  }
}

/** Makes the gauges, which are read from the router when somebody asks for metrics: they cost nothing in between. */
export function gauges (client: typeof promClient, register: Registry, readings: Readings): void {
  const registers = [register]
  const gauge = (name: string, help: string, aggregator: Together, collect: (this: promClient.Gauge) => void): void => {
    new client.Gauge({ name: prefix + name, help, registers, aggregator, collect }) // eslint-disable-line no-new
  }
  const perWorker = (name: string, help: string, aggregator: Together, read: (worker: WorkerReading) => number | undefined): void => {
    // eslint-disable-next-line no-new
    new client.Gauge({
      name: prefix + name,
      help,
      registers,
      aggregator,
      labelNames: ['worker'],
      collect () {
        // from nothing each time, so that the series of workers that are gone go too
        this.reset()
        for (const worker of readings.workers()) {
          const value = read(worker)
          if (value !== undefined) this.set({ worker: worker.id }, value)
        }
      }
    })
  }
  gauge('active_workers', 'Workers that may be picked now', 'min', function () { this.set(readings.ready()) })
  gauge('min_load', 'Fewest requests in flight on any ready worker', 'min', function () { this.set(readings.minInFlight()) })
  gauge('max_load', 'Most requests in flight on any ready worker', 'max', function () { this.set(readings.maxInFlight()) })
  gauge('queue_depth', 'Requests that wait for a place among those in flight', 'sum', function () { this.set(readings.queued()) })
  gauge('in_flight_requests', 'Requests for workers that were let in and have not ended', 'sum', function () { this.set(readings.admitted()) })
  perWorker('worker_health', '1 while a worker is ready, else 0', 'min', worker => worker.ready ? 1 : 0)
  perWorker('running_requests', 'Requests of this router in flight on a worker', 'sum', worker => worker.inFlight)
  perWorker('worker_load', 'Load of a worker as policies see it: requests in flight here, and others\' as the worker reports them', 'max', worker => worker.load)
  perWorker('tree_size', 'What the policy remembers for a worker: blocks of prompts, or sessions', 'max', worker => worker.indexed)
  perWorker('cb_state', 'State of a worker\'s circuit breaker: 0 closed, 1 open, 2 half open', 'max', worker => worker.breaker && breakerStates[worker.breaker])
  perWorker('worker_weight', 'Part of its fair share of requests that a worker gets: less than 1 while it is far slower, or fails far more, than its peers', 'min', worker => worker.weight)
  // eslint-disable-next-line no-new
  new client.Gauge({
    name: prefix + 'auth_cache_entries',
    help: 'Tokens whose check is remembered, by what it found: valid, invalid',
    registers,
    labelNames: ['finding'],
    collect () {
      const { valid, invalid } = readings.tokens()
      this.set({ finding: 'valid' }, valid)
      this.set({ finding: 'invalid' }, invalid)
    }
  })
  // eslint-disable-next-line no-new
  new client.Counter({
    name: prefix + 'recorded_requests_total',
    help: 'Requests for --record-trace, by result: written, slow (the disk was), full (--record-trace-max-mb is reached), failed (the disk did)',
    registers,
    labelNames: ['result'],
    collect () {
      this.reset()
      const recorded = readings.recorded()
      if (recorded === undefined) return
      this.inc({ result: 'written' }, recorded.written)
      for (const [result, count] of Object.entries(recorded.lost)) this.inc({ result }, count)
    }
  })
  sourceMetrics(client, register, readings.sources)
}

/** How sources of workers are doing; counters are the sources' own and only read here. */
function sourceMetrics (client: typeof promClient, register: Registry, sources: () => Iterable<DiscoverySource>): void {
  const registers = [register]
  const gauge = (name: string, help: string, read: (source: DiscoverySource) => number | undefined): void => {
    // eslint-disable-next-line no-new
    new client.Gauge({
      name: prefix + name,
      help,
      registers,
      aggregator: 'first',
      labelNames: ['source'],
      collect () {
        this.reset()
        for (const source of sources()) {
          const value = read(source)
          if (value !== undefined) this.set({ source: source.name }, value)
        }
      }
    })
  }
  const counter = (name: string, help: string, read: (counts: SourceCounts) => ReadonlyMap<string, number>): void => {
    // eslint-disable-next-line no-new
    new client.Counter({
      name: prefix + name,
      help,
      registers,
      labelNames: ['source', 'reason'],
      collect () {
        this.reset()
        for (const source of sources()) {
          const counts = source.counts?.()
          for (const [reason, count] of counts === undefined ? [] : read(counts)) this.inc({ source: source.name, reason }, count)
        }
      }
    })
  }
  gauge('discovery_source_ok', '1 while a source of workers can see its origin', source => source.health().ok ? 1 : 0)
  gauge('discovery_stale_seconds', 'Time since the origin of a source last gave a sign of life', source => source.health().staleSecs)
  counter('discovery_relists_total', 'Whole lists a source took of its origin, by reason: start, resync (it was time), expired (its watch was too old)', counts => counts.relists)
  counter('discovery_watch_restarts_total', 'Watches of a source that were opened again, by what ended the one before: ended (the server did), failed, silent (nothing came for too long), behind (a list showed what it had missed), expired (too old)', counts => counts.watchRestarts)
  // eslint-disable-next-line no-new
  new client.Gauge({
    name: prefix + 'discovery_registered_workers',
    help: 'Workers that have announced themselves and are heard of, by source and role',
    registers,
    labelNames: ['source', 'role'],
    collect () {
      for (const { name, registrations } of sources()) for (const [role, count] of registrations?.known() ?? []) this.set({ source: name, role }, count)
    }
  })
}
