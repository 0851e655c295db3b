// The metrics of requests that are split: their table, and what makes them move.
import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import type promClient from 'prom-client'
import { disaggregationOf } from './disaggregation.ts'
import { durations, makersFor } from './metric-table.ts'
import type { Count, Family, Spread } from './tallies.ts'

/** The metrics that are written when something happens. Names follow the Rust router's where they mean the same. */
export interface DisaggregationMetrics {
  readonly requests: Family<Count>
  readonly requestDuration: Family<Spread>
  readonly decisions: Family<Count>
  readonly errors: Family<Count>
  readonly prefillDuration: Spread
  readonly prefillRequests: Family<Count>
  readonly prefillErrors: Family<Count>
  readonly decodeRequests: Family<Count>
  readonly decodeErrors: Family<Count>
  readonly leakedPrefills: Family<Count>
  readonly overLimit: Family<Count>
}

/** Makes them. */
export function disaggregationMetrics (client: typeof promClient, register: Registry): DisaggregationMetrics {
  const { counters, histogram, histograms } = makersFor(client, register)
  return {
    requests: counters('pd_requests_total', 'Requests of routes that can be split into prefill and decode, by route, whatever became of them', ['route']),
    requestDuration: histograms('pd_request_duration_seconds', 'From handing over such a request to the head of its answer, both legs together, by route', durations, ['route']),
    decisions: counters('pd_prefill_decisions_total', 'Ways requests of routes that can be split went: split, or to a decode worker alone because it has little to compute (short), prefill workers are too busy for so little (busy), no prefill worker could take it (no_prefill), the prefill failed (prefill_failed), or its legs would not do what it asks for (unsplittable). A request that is tried again may go several ways', ['reason']),
    errors: counters('pd_errors_total', 'What went wrong with split requests: prefill_failed (all prefill workers asked), missing_transfer_params (a prefill worker returned none)', ['error_type']),
    prefillDuration: histogram('pd_prefill_duration_seconds', 'Calls to prefill workers that went well, from their start to the end of their answer', durations),
    prefillRequests: counters('pd_prefill_requests_total', 'Prefill legs that went well', ['worker']),
    prefillErrors: counters('pd_prefill_errors_total', 'Prefill legs that did not, but for those that were ended from this side', ['worker']),
    decodeRequests: counters('pd_decode_requests_total', 'Decode legs that went well', ['worker']),
    decodeErrors: counters('pd_decode_errors_total', 'Decode legs that did not, but for those that were ended from this side', ['worker']),
    leakedPrefills: counters('pd_leaked_prefills_total', 'Prefill legs whose KV blocks no decode worker is known to have taken: the prefill worker may keep them until its own timeout', ['worker']),
    overLimit: counters('pd_body_over_limit_total', 'Answers, or events of a stream, that were too long to be looked into: of prefill (64 MiB; the prefill failed) or of decode (8 MiB, events 1 MiB; passed on as they were)', ['stage'])
  }
}

/** Writes them. The disaggregation plugin is optional: without it they stay as they are. */
export function watchDisaggregation (fastify: FastifyInstance, metrics: DisaggregationMetrics): void {
  const disaggregation = disaggregationOf(fastify)
  if (disaggregation === undefined) return
  const { calls, workers } = fastify
  disaggregation.on('request', route => metrics.requests.labels(route).inc())
  disaggregation.on('decided', reason => metrics.decisions.labels(reason).inc())
  disaggregation.on('answered', (route, milliseconds) => metrics.requestDuration.labels(route).observe(milliseconds / 1000))
  disaggregation.on('failed', kind => metrics.errors.labels(kind).inc())
  disaggregation.on('overLimit', stage => metrics.overLimit.labels(stage).inc())
  // the last calls of a leaving worker end after the worker: its series must not come back
  disaggregation.on('leaked', worker => { if (worker.state !== 'gone') metrics.leakedPrefills.labels(worker.id).inc() })
  calls.on('settled', call => {
    const { leg, exchange: { end, status, error }, assignment: { worker } } = call
    if (leg === 'whole' || end === 'client_gone' || worker.state === 'gone') return
    if (error !== undefined && 'code' in error && error.code === 'LEG_WITHDRAWN') return
    const good = end === 'completed' && status < 400
    if (leg === 'decode') (good ? metrics.decodeRequests : metrics.decodeErrors).labels(worker.id).inc()
    else (good ? metrics.prefillRequests : metrics.prefillErrors).labels(worker.id).inc()
    if (leg === 'prefill' && good) metrics.prefillDuration.observe(call.durationMs / 1000)
  })
  workers.on('removed', ({ id }) => {
    for (const perWorker of [metrics.prefillRequests, metrics.prefillErrors, metrics.decodeRequests, metrics.decodeErrors, metrics.leakedPrefills]) perWorker.remove(id)
  })
}
