// Workers from the EndpointSlices of Services, two families included.
import type { Test } from 'tap'
import { until } from '../until.ts'
import type { Cluster } from '../cluster.ts'
import { follow } from '../follow.ts'

export async function endpointSlices (t: Test, cluster: Cluster): Promise<void> {
  const namespace = await cluster.namespace()
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`
  const endpoint = (address: string, uid: string, conditions: object = { ready: true, serving: true, terminating: false }): object =>
    ({ addresses: [address], conditions, nodeName: 'node-1', targetRef: { kind: 'Pod', namespace, name: `pod-${uid}`, uid } })
  const slice = (name: string, addressType: string, endpoints: object[], labels: Record<string, string> = {}): object => ({
    metadata: { name, labels: { 'kubernetes.io/service-name': 'vllm', ...labels } }, addressType, ports: [{ name: 'http', port: 8000, protocol: 'TCP' }], endpoints
  })
  const followed = await follow(t, cluster, { serviceDiscoveryNamespace: [namespace], serviceDiscoveryMode: 'endpointslices', serviceName: ['vllm', 'other'], serviceDiscoveryPort: '80' })
  const named = await follow(t, cluster, { serviceDiscoveryNamespace: [namespace], serviceDiscoveryMode: 'endpointslices', serviceName: ['vllm'], serviceDiscoveryPort: 'http', selector: ['tier=gold'] })
  const become = async (what: string, ...urls: string[]): Promise<void> => {
    await until(what, () => JSON.stringify(followed.ids()) === JSON.stringify(urls)).catch(() => {})
    t.same(followed.ids(), urls, what)
  }

  await cluster.call('POST', path, slice('six', 'IPv6', [endpoint('fd00::1', 'a'), endpoint('fd00::2', 'b')]))
  await become('IPv6 alone', 'http://[fd00::1]:8000', 'http://[fd00::2]:8000')
  await cluster.call('POST', path, slice('four', 'IPv4', [endpoint('10.0.0.1', 'a'), endpoint('10.0.0.2', 'b')], { tier: 'gold' }))
  await become('both families: one worker a pod', 'http://10.0.0.1:8000', 'http://10.0.0.2:8000')
  await until('by label', () => named.ids().length === 2)
  await cluster.call('POST', path, slice('foreign', 'IPv4', [endpoint('10.0.0.9', 'z')], { 'kubernetes.io/service-name': 'foreign' }))

  const leaving = { ready: false, serving: true, terminating: true }
  await cluster.call('PATCH', `${path}/four`, { endpoints: [endpoint('10.0.0.1', 'a', leaving), endpoint('10.0.0.2', 'b', { ready: false, serving: false, terminating: false }), endpoint('10.0.0.3', 'c')] })
  await become('terminating, and not serving', 'http://10.0.0.3:8000')
  await cluster.call('PATCH', `${path}/four`, { endpoints: [endpoint('10.0.0.2', 'b'), endpoint('10.0.0.3', 'c')] })
  await become('serving again', 'http://10.0.0.2:8000', 'http://10.0.0.3:8000')
  await cluster.call('DELETE', `${path}/four`)
  await cluster.call('DELETE', `${path}/six`)
  await become('nothing is left')
  await until('by label', () => named.ids().length === 0)
  t.same(followed.warnings, [])
}
