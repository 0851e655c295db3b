// The parts of custom resources that the chart makes, as schemas: a bare API server does not know these kinds. Written by hand after their definitions.
import type { Schema } from '../../scripts/chart/value.ts'

/** A kind: its version, and what its spec may hold as far as the chart fills it. */
export interface Shape {
  readonly apiVersion: string
  readonly spec: Schema
}

const text: Schema = { type: 'string', minLength: 1 }
const whole: Schema = { type: 'integer' }
const texts: Schema = { type: 'object', additionalProperties: text }
const some = (items: Schema): Schema => ({ type: 'array', minItems: 1, items })
const closed = (properties: Record<string, Schema>, ...required: string[]): Schema => ({ type: 'object', properties, additionalProperties: false, required })

const selector = closed({ matchLabels: texts }, 'matchLabels')
const duration: Schema = { type: 'string', pattern: '^([0-9]+(ms|[smhdwy]))+$' }
const relabelings = some(closed({ action: text, regex: text, replacement: text, targetLabel: text, sourceLabels: some(text), separator: text }))
const endpoint = closed({ port: text, path: text, interval: duration, relabelings, metricRelabelings: relabelings }, 'port')
const operator = 'monitoring.coreos.com/v1'

/** By kind. */
export const crdShapes: Readonly<Record<string, Shape>> = {
  PodMonitor: { apiVersion: operator, spec: closed({ selector, podMetricsEndpoints: some(endpoint) }, 'selector', 'podMetricsEndpoints') },
  ServiceMonitor: { apiVersion: operator, spec: closed({ selector, endpoints: some(endpoint) }, 'selector', 'endpoints') },
  PrometheusRule: {
    apiVersion: operator,
    spec: closed({
      groups: some(closed({
        name: text,
        rules: some(closed({ alert: text, record: text, expr: { anyOf: [text, whole] }, for: duration, labels: texts, annotations: texts }, 'expr'))
      }, 'name', 'rules'))
    }, 'groups')
  },
  ScaledObject: {
    apiVersion: 'keda.sh/v1alpha1',
    spec: closed({
      scaleTargetRef: closed({ name: text, kind: text, apiVersion: text }, 'name'),
      minReplicaCount: whole,
      maxReplicaCount: whole,
      pollingInterval: whole,
      cooldownPeriod: whole,
      advanced: closed({ horizontalPodAutoscalerConfig: closed({ behavior: { type: 'object' } }) }),
      triggers: some(closed({ type: text, metricType: { enum: ['AverageValue', 'Value', 'Utilization'] }, metadata: texts, authenticationRef: closed({ name: text }, 'name') }, 'type', 'metadata'))
    }, 'scaleTargetRef', 'triggers')
  },
  HTTPRoute: {
    apiVersion: 'gateway.networking.k8s.io/v1',
    spec: closed({
      parentRefs: some(closed({ name: text, namespace: text, sectionName: text, port: whole, group: text, kind: text }, 'name')),
      hostnames: some(text),
      rules: some(closed({
        matches: some(closed({ path: closed({ type: { enum: ['Exact', 'PathPrefix', 'RegularExpression'] }, value: { type: 'string', pattern: '^/' } }, 'type', 'value') })),
        backendRefs: some(closed({ name: text, port: whole, namespace: text, weight: whole }, 'name', 'port')),
        timeouts: closed({ request: duration, backendRequest: duration })
      }, 'backendRefs'))
    }, 'parentRefs', 'rules')
  }
}
