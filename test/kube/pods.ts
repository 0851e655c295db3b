// Pods on an API server without kubelets: tests say what becomes of them.
import type { Cluster, Thing } from './cluster.ts'

/** What a pod is to be, besides its name. */
export interface PodWish {
  readonly ip?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  /** Of the one container. Default `http` 8000. */
  readonly ports?: ReadonlyArray<{ name: string, containerPort: number }>
  readonly initContainers?: readonly object[]
  readonly ready?: boolean
  readonly ips?: readonly string[]
}

const path = (namespace: string, name = ''): string => `/api/v1/namespaces/${namespace}/pods${name === '' ? '' : `/${name}`}`

/** A pod's status as a kubelet writes it. */
export function podStatus (ready: boolean, ips: readonly string[]): object {
  return {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    ...(ips.length > 0 ? { podIP: ips[0], podIPs: ips.map(ip => ({ ip })) } : {})
  }
}

/** Makes a pod, and lets it run and be ready unless told otherwise. */
export async function addPod (cluster: Cluster, namespace: string, name: string, wish: PodWish = {}): Promise<Thing> {
  const { labels = { app: 'vllm' }, annotations = {}, ports = [{ name: 'http', containerPort: 8000 }], initContainers = [], ready = true } = wish
  const pod = await cluster.call('POST', path(namespace), {
    metadata: { name, labels, annotations },
    spec: {
      // bound to a node, or a deletion with grace would be none
      nodeName: 'node-1',
      terminationGracePeriodSeconds: 30,
      containers: [{ name: 'vllm', image: 'vllm', ports }],
      initContainers
    }
  })
  const ips = wish.ips ?? (wish.ip === undefined ? [] : [wish.ip])
  if (ips.length > 0) await setStatus(cluster, namespace, name, podStatus(ready, ips))
  return pod
}

/** Writes a part of a pod's status. */
export async function setStatus (cluster: Cluster, namespace: string, name: string, status: object): Promise<void> {
  await cluster.call('PATCH', `${path(namespace, name)}/status`, { status })
}

export async function setReady (cluster: Cluster, namespace: string, name: string, ready: boolean): Promise<void> {
  await setStatus(cluster, namespace, name, { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] })
}

/** Changes labels or annotations; null takes one away. */
export async function setMetadata (cluster: Cluster, namespace: string, name: string, metadata: object): Promise<void> {
  await cluster.call('PATCH', path(namespace, name), { metadata })
}

/** Deletes with grace: the pod stays, with a deletionTimestamp, until somebody ends it. */
export async function terminatePod (cluster: Cluster, namespace: string, name: string): Promise<void> {
  await cluster.call('DELETE', path(namespace, name), { gracePeriodSeconds: 30 })
}

/** Deletes at once. */
export async function deletePod (cluster: Cluster, namespace: string, name: string): Promise<void> {
  await cluster.call('DELETE', path(namespace, name), { gracePeriodSeconds: 0 })
}
