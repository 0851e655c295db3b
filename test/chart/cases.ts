// Values that the chart is rendered with, and those it must refuse.
import { cpSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments, stringify } from 'yaml'
import type { KubeObject } from './api-server.ts'
import type { Helm } from './tools.ts'

/** A copy of the chart. */
export function chartIn (folder: string): string {
  const chart = join(folder, 'chart')
  cpSync('chart', chart, { recursive: true })
  return chart
}

const monitors = { metrics: { podMonitor: { enabled: true, interval: '15s', labels: { release: 'prometheus' }, metricRelabelings: [{ action: 'labeldrop', regex: 'container' }] }, rules: { enabled: true, disabled: ['VllmRouterFirstTokenLate'], extra: [{ name: 'own', rules: [{ record: 'a:b', expr: 'vector(1)' }] }] }, dashboard: { enabled: true, annotations: { folder: 'LLM' } } } }
const watching = { serviceDiscovery: true, selector: ['app=vllm'] }

/** Values by name; the examples are among them. */
export const cases: Readonly<Record<string, object>> = {
  defaults: {},
  'nothing extra': { replicaCount: 1, serviceAccount: { create: false }, networkPolicy: { enabled: false }, options: watching, rbac: { create: false }, topologySpread: [], resources: {} },
  'no routers': { replicaCount: 0 },
  'everything at once': {
    nameOverride: 'front',
    commonLabels: { team: 'ml' },
    image: { repository: 'registry.example.com/router', digest: `sha256:${'a'.repeat(64)}`, pullPolicy: 'Always' },
    imagePullSecrets: [{ name: 'registry' }],
    options: { ...watching, tlsCert: '/tls/tls.crt', tlsKey: '/tls/tls.key', logDir: '/var/log/router', adminPort: 30002, drainDelaySecs: 7.5, drainTimeoutSecs: 60.2 },
    secrets: { apiKey: { name: 'vllm', key: 'api-key' }, adminApiKey: { name: 'vllm', key: 'admin' } },
    extraEnv: [{ name: 'NODE_OPTIONS', value: '--max-http-header-size=32768' }],
    extraArgs: ['--access-log'],
    extraVolumes: [{ name: 'logs', emptyDir: { sizeLimit: '1Gi' } }, { name: 'tls', secret: { secretName: 'tls' } }],
    extraVolumeMounts: [{ name: 'logs', mountPath: '/var/log' }, { name: 'tls', mountPath: '/tls' }],
    shutdownMarginSeconds: 20,
    lifecycle: { preStop: { sleep: { seconds: 3 } } },
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'gpu', operator: 'DoesNotExist' }] }] } } },
    nodeSelector: { 'kubernetes.io/arch': 'amd64' },
    tolerations: [{ key: 'a', operator: 'Exists' }],
    priorityClassName: 'system-cluster-critical',
    podLabels: { mesh: 'off' },
    podAnnotations: { 'a.example.com/b': 'c' },
    serviceAccount: { annotations: { a: 'b' } },
    networkPolicy: {
      from: [{ namespaceSelector: { matchLabels: { a: 'b' } } }],
      metricsFrom: [{ namespaceSelector: {} }],
      adminFrom: [{ podSelector: { matchLabels: { role: 'operator' } } }],
      egress: { enabled: true, workers: [{ podSelector: { matchLabels: { app: 'vllm' } } }], workerPorts: [8000, 8001], extra: [{ ports: [{ port: 443 }] }] }
    },
    service: { type: 'LoadBalancer', port: 443, annotations: { a: 'b' }, ipFamilyPolicy: 'PreferDualStack', extra: { externalTrafficPolicy: 'Local', loadBalancerClass: 'example.com/lb' } },
    ingress: { enabled: true, className: 'nginx', hosts: ['a.example.com', 'b.example.com'], paths: ['/v1', '/tokenize'], tls: [{ secretName: 'tls', hosts: ['a.example.com'] }] },
    httpRoute: { enabled: true, parentRefs: [{ name: 'gateway', namespace: 'infra' }], hostnames: ['a.example.com'] },
    autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 9, inFlightPerPod: 2000000, queuedPerPod: 10 },
    podDisruptionBudget: { maxUnavailable: '50%' },
    metrics: { ...monitors.metrics, podMonitor: {}, serviceMonitor: { enabled: true, relabelings: [{ targetLabel: 'cluster', replacement: 'a' }] } }
  },
  'scaled by KEDA': { keda: { enabled: true, inFlightPerPod: 400, authenticationRef: 'prometheus', extraTriggers: [{ type: 'cpu', metricType: 'Utilization', metadata: { value: '70' } }] }, ...monitors },
  'pods of two namespaces': { options: { ...watching, serviceDiscoveryNamespace: ['models-a', 'models-b'] } },
  'pods of all namespaces': { options: watching, rbac: { allNamespaces: true } },
  'endpoint slices': { options: { ...watching, serviceDiscoveryMode: 'endpointslices', serviceName: ['vllm'] } },
  'names in DNS': { options: { ...watching, serviceDiscoveryMode: 'service-dns', serviceName: ['vllm'] } },
  'TLS from a Secret': { secrets: { tlsCert: { name: 'router-tls', key: 'tls.crt' }, tlsKey: { name: 'router-tls', key: 'tls.key' } } },
  'clients with certificates': { secrets: { tlsCert: { name: 'router-tls', key: 'tls.crt' }, tlsKey: { name: 'router-tls', key: 'tls.key' }, tlsClientCa: { name: 'clients', key: 'ca.crt' } } },
  'large and broken numbers': { options: { maxPayloadSize: 4294967296, maxIndexEntries: 123456789, retryJitterFactor: 0.25, drainTimeoutSecs: 100000.5, healthCheckIntervalSecs: 0.1 } },
  'both address families': { options: { host: '::', prometheusHost: '::' }, service: { ipFamilyPolicy: 'RequireDualStack' } },
  'a long name': { fullnameOverride: 'a'.repeat(70), metrics: { serviceMonitor: { enabled: true } } },
  'another port': { options: { port: 8080, prometheusPort: 9090 }, service: { type: 'NodePort' } }
}

/** Values that cannot work, and what is said about them. */
export const refused: ReadonlyArray<[values: object, message: RegExp]> = [
  [{ options: { retryMaxRetires: 3 } }, /'\/options': additional properties 'retryMaxRetires' not allowed/],
  [{ options: { 'worker-urls': ['http://a'] } }, /'\/options': additional properties 'worker-urls' not allowed/],
  [{ options: { policy: 'fastest' } }, /'\/options\/policy': value must be one of 'cache_aware', 'consistent_hash'/],
  [{ options: { port: 70000 } }, /'\/options\/port': maximum: got 70,?000, want 65,?535/],
  [{ options: { port: 'http' } }, /'\/options\/port': got string, want integer/],
  [{ options: { workerUrls: 'http://a' } }, /'\/options\/workerUrls': got string, want array/],
  [{ options: { workerUrls: ['a:8000'] } }, /'\/options\/workerUrls\/0': 'a:8000' does not match pattern/],
  [{ options: { healthCheckTimeoutSecs: 0 } }, /'\/options\/healthCheckTimeoutSecs': exclusiveMinimum: got 0, want 0/],
  [{ options: { apiKey: 'sk-1' } }, /'\/options\/apiKey': value must be 'in a Secret, not in values: name it in secrets\.apiKey with name and key'/],
  [{ options: { apiKey: 'in a Secret, not in values: name it in secrets.apiKey with name and key' } }, /options\.apiKey is a secret and would be read by everybody/],
  [{ secrets: { apiKey: 'sk-1' } }, /'\/secrets\/apiKey': got string, want object/],
  [{ secrets: { policy: { name: 'a', key: 'b' } } }, /'\/secrets': additional properties 'policy' not allowed/],
  [{ options: { tlsCert: '/a' }, secrets: { tlsCert: { name: 'a', key: 'b' } } }, /tlsCert stands in options and in secrets/],
  [{ options: { logDir: '/var/log/router' }, extraVolumeMounts: [{ name: 'a', mountPath: '/var/log/route' }] }, /options\.logDir is \/var\/log\/router, and the root file system is read-only/],
  [{ options: { ...watching, serviceDiscoveryNamespace: ['a'] }, rbac: { allNamespaces: true } }, /rbac\.allNamespaces is on: only one can count/],
  [{ options: { vllmDiscoveryAddress: '0.0.0.0:30001' } }, /workers register at one router only/],
  [{ replicaCount: 1, options: { vllmDiscoveryAddress: '0.0.0.0:30001' }, autoscaling: { enabled: true } }, /workers register at one router only/],
  [{ autoscaling: { enabled: true }, keda: { enabled: true } }, /autoscaling\.enabled and keda\.enabled are both on/],
  [{ autoscaling: { enabled: true, minReplicas: 9 } }, /autoscaling\.maxReplicas is 6 and less than autoscaling\.minReplicas, which is 9/],
  [{ keda: { enabled: true, queuedPerPod: 0 } }, /keda has nothing to go by/],
  [{ metrics: { podMonitor: { enabled: true }, serviceMonitor: { enabled: true } } }, /Prometheus would have every series twice/],
  [{ metrics: { rules: { enabled: true, disabled: ['NoSuchAlert'] } } }, /metrics\.rules\.disabled names NoSuchAlert, and there is no such alert: there are VllmRouterHasNoWorkers/],
  [{ httpRoute: { enabled: true } }, /httpRoute\.enabled needs httpRoute\.parentRefs/],
  [{ image: { digest: 'latest' } }, /'\/image\/digest': 'latest' does not match pattern/],
  [{ replicas: 3 }, /additional properties 'replicas' not allowed/],
  [{ replicaCount: -1 }, /'\/replicaCount': minimum: got -1, want 0/]
]

/** Writes values to a file and gives the arguments that read them. */
export function argumentsFor (values: object, folder: string, name: string): string[] {
  const file = join(folder, `${name.replaceAll(' ', '-')}.yaml`)
  writeFileSync(file, stringify(values, { version: '1.1' }))
  return ['--values', file]
}

/** One rendering. */
export interface Rendering {
  readonly name: string
  readonly text: string
  readonly objects: readonly KubeObject[]
}

/** Takes rendered text apart. */
export function objectsOf (text: string): KubeObject[] {
  return parseAllDocuments(text, { version: '1.1' }).map(document => {
    const [error] = document.errors
    if (error !== undefined) throw error
    return document.toJS() as KubeObject | null
  }).filter(object => object !== null)
}

/** Renders every case and every example. */
export async function renderAll (helm: Helm, chart: string, folder: string): Promise<Rendering[]> {
  const examples = readdirSync('chart/examples').map(name => [name, ['--values', join('chart/examples', name)]] as const)
  const own = Object.entries(cases).map(([name, values]) => [name, argumentsFor(values, folder, name)] as const)
  const renderings: Rendering[] = []
  for (const [name, args] of [...examples, ...own]) {
    const text = await helm.template(chart, ...args).catch((error: unknown) => { throw new Error(`${name}: ${String(error)}`) })
    renderings.push({ name, text, objects: objectsOf(text) })
  }
  return renderings
}

/** The object of a kind whose name ends so. */
export function find (objects: readonly KubeObject[], kind: string, suffix = ''): KubeObject {
  const found = objects.find(object => object.kind === kind && object.metadata.name.endsWith(suffix))
  if (found === undefined) throw new Error(`no ${kind} ${suffix}`)
  return found
}

/** A value deep in an object. */
export function at (object: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((one, key) => typeof one === 'object' && one !== null ? (one as Record<string, unknown>)[key] : undefined, object)
}
