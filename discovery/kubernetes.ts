// The source for workers in Kubernetes: pods by their labels, the endpoints of Services, or the DNS records of Services.
import type { Clock } from '../core/clock.ts'
import type { DiscoverySource, SourceLog } from './discovery.ts'
import { apiSource } from './kubernetes/api-source.ts'
import type { RoleSelector } from './kubernetes/api-source.ts'
import { KubernetesApi } from './kubernetes/api.ts'
import type { LoadConfig } from './kubernetes/api.ts'
import { serviceDnsSource } from './kubernetes/service-dns.ts'

/** Options of the source, by the names of the router's options; see docs/kubernetes.md. */
export interface KubernetesOptions {
  /** Where workers are read from. Default `pods`. */
  readonly serviceDiscoveryMode?: 'pods' | 'endpointslices' | 'service-dns'
  /** Labels of workers, `key=value`, all of them. Default none. */
  readonly selector?: readonly string[]
  /** Labels of prefill workers; count more than the others. Default none. */
  readonly prefillSelector?: readonly string[]
  /** Labels of decode workers; count more than `selector`. Default none. */
  readonly decodeSelector?: readonly string[]
  /** Namespaces to look in. Default all. */
  readonly serviceDiscoveryNamespace?: readonly string[]
  /** Port of workers, or its name. Default 80. */
  readonly serviceDiscoveryPort?: string
  /** Names of Services, for `endpointslices` and `service-dns`. */
  readonly serviceName?: readonly string[]
  /** Seconds between whole lists, ± 10 %. Default 60. */
  readonly serviceDiscoveryResyncSecs?: number
  /** Data-parallel ranks of a worker that does not say. Default 1. */
  readonly intraNodeDataParallelSize?: number
  /** Where it tells people what happens; default nowhere. */
  readonly log?: SourceLog
  /** Milliseconds without any word, bookmarks included, after which a watch is given up. Default 90,000. */
  readonly watchSilenceMs?: number
  /** Names cluster and user. Default as kubectl finds them: KUBECONFIG, then ~/.kube/config, then the pod's service account. */
  readonly load?: LoadConfig
  /** `address:port` of DNS servers for `service-dns`. Default those of the system. */
  readonly dnsServers?: readonly string[]
  readonly clock?: Clock
  /** Uniform in [0, 1). */
  readonly random?: () => number
}

const silent: SourceLog = { info () {}, warn () {} }

/**
 * A source named `kubernetes`.
 * @throws Error when there is nothing to look for: no selector for `pods`, no service name for the others
 */
export function kubernetesSource (options: KubernetesOptions): DiscoverySource {
  const { serviceDiscoveryMode: mode = 'pods', selector = [], prefillSelector = [], decodeSelector = [], serviceName: services = [], clock, random, log = silent } = options
  const common = {
    namespaces: options.serviceDiscoveryNamespace ?? [],
    services,
    port: options.serviceDiscoveryPort ?? '80',
    ranks: options.intraNodeDataParallelSize ?? 1,
    log,
    clock,
    random
  }
  if (mode !== 'pods' && services.length === 0) throw new Error(`discovery of ${mode} in Kubernetes needs a service name`)
  if (mode === 'service-dns') return serviceDnsSource({ ...common, dnsServers: options.dnsServers })

  const all: readonly RoleSelector[] = [
    { role: 'prefill', selector: prefillSelector }, { role: 'decode', selector: decodeSelector }, { role: 'regular', selector }
  ]
  const roles = all.filter(one => one.selector.length > 0)
  if (roles.length === 0 && mode === 'pods') throw new Error('discovery of pods in Kubernetes needs a selector')
  return apiSource({
    ...common,
    mode,
    roles: roles.length > 0 ? roles : [{ role: 'regular', selector: [] }],
    resyncMs: (options.serviceDiscoveryResyncSecs ?? 60) * 1000,
    silenceMs: options.watchSilenceMs,
    api: new KubernetesApi(options.load)
  })
}
