// A registry that a Kubernetes source feeds, with what the source logged.
import type { Test } from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'
import type { DiscoverySource } from '../../discovery/discovery.ts'
import { kubernetesSource } from '../../discovery/kubernetes.ts'
import type { KubernetesOptions } from '../../discovery/kubernetes.ts'
import type { Cluster } from './cluster.ts'

export interface Followed {
  readonly registry: WorkerRegistry
  readonly source: DiscoverySource
  /** Messages of warnings and of everything else, in order. */
  readonly warnings: string[]
  readonly infos: string[]
  /** Ids of the workers, sorted. */
  ids (): string[]
  /** Of one reason, of relists or of restarts. */
  count (what: 'relists' | 'watchRestarts', reason: string): number
}

/** A source with credentials of the cluster's admin, unless `options` bring others; the selector is `app=vllm`. */
export async function follow (t: Test, cluster: Cluster, options: KubernetesOptions & { port?: number }): Promise<Followed> {
  const { port, ...given } = options
  const registry = new WorkerRegistry()
  const warnings: string[] = []
  const infos: string[] = []
  const source = kubernetesSource({
    selector: given.prefillSelector === undefined && given.serviceDiscoveryMode === undefined ? ['app=vllm'] : [],
    serviceDiscoveryPort: '8000',
    load: config => config.loadFromString(cluster.kubeconfig('admin', port)),
    log: { info: (_details, message) => { infos.push(message) }, warn: (_details, message) => { warnings.push(message) } },
    ...given
  })
  t.teardown(() => source.stop())
  await source.start(specs => { registry.apply(source.name, specs) })
  return {
    registry,
    source,
    warnings,
    infos,
    ids: () => registry.list().map(worker => worker.id).sort(),
    count: (what, reason) => source.counts?.()[what].get(reason) ?? 0
  }
}
