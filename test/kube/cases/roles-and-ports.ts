// What options, labels and annotations make of pods: prefill and decode, ports by name, namespaces, address families.
import type { Test } from 'tap'
import { until } from '../until.ts'
import type { Cluster } from '../cluster.ts'
import { follow } from '../follow.ts'
import { addPod, setMetadata } from '../pods.ts'

export async function rolesAndPorts (t: Test, cluster: Cluster): Promise<void> {
  const [one, two, pd] = [await cluster.namespace(), await cluster.namespace(), await cluster.namespace()]
  const sidecar = { name: 'side', image: 'side', restartPolicy: 'Always', ports: [{ name: 'side', containerPort: 9000 }] }
  await addPod(cluster, one, 'plain', { ip: '127.0.0.2', initContainers: [sidecar] })
  await addPod(cluster, one, 'annotated', { ip: '127.0.0.3', annotations: { 'vllm.ai/port': '8123' } })
  await addPod(cluster, one, 'named', { ip: '127.0.0.4', annotations: { 'vllm.ai/port': 'api' }, ports: [{ name: 'http', containerPort: 8000 }, { name: 'api', containerPort: 8124 }] })
  await addPod(cluster, one, 'six', { ips: ['fd00::5', '127.0.0.5'], annotations: { 'vllm.ai/data-parallel-size': '2' } })
  await addPod(cluster, one, 'bad', { ip: '127.0.0.6', annotations: { 'vllm.ai/port': 'nothing', 'vllm.ai/data-parallel-size': 'two' } })
  await addPod(cluster, one, 'unlabelled', { ip: '127.0.0.7', labels: { app: 'other' } })
  await addPod(cluster, two, 'elsewhere', { ip: '127.0.0.8' })
  await addPod(cluster, pd, 'p', { ip: '127.0.0.9', labels: { app: 'vllm', role: 'prefill' }, annotations: { 'vllm.ai/bootstrap-port': '8998' } })
  await addPod(cluster, pd, 'd', { ip: '127.0.0.10', labels: { app: 'vllm', role: 'decode' } })
  await addPod(cluster, pd, 'x', { ip: '127.0.0.11', labels: { app: 'vllm', role: 'decode', also: 'prefill' } })

  const byNumber = await follow(t, cluster, { serviceDiscoveryNamespace: [one] })
  const byName = await follow(t, cluster, { serviceDiscoveryNamespace: [one], serviceDiscoveryPort: 'side' })
  const both = await follow(t, cluster, { serviceDiscoveryNamespace: [one, two] })
  const everywhere = await follow(t, cluster, { selector: ['app=vllm', 'also=prefill'] })
  const roles = await follow(t, cluster, { serviceDiscoveryNamespace: [pd], prefillSelector: ['role=prefill'], decodeSelector: ['app=vllm', 'role=decode'] })
  const crossed = await follow(t, cluster, { serviceDiscoveryNamespace: [pd], prefillSelector: ['also=prefill'], decodeSelector: ['role=decode'] })
  const inOne = ['http://127.0.0.2:8000', 'http://127.0.0.3:8123', 'http://127.0.0.4:8124', 'http://127.0.0.6:8000', 'http://[fd00::5]:8000@0', 'http://[fd00::5]:8000@1']
  await until('all workers of one namespace', () => byNumber.ids().length === inOne.length && byName.ids().length > 0)
  t.same(byNumber.ids(), inOne, 'annotations count more than the option; a pod of two families is one worker, of its first')
  t.ok(byNumber.warnings.some(line => line.startsWith(`kubernetes: ${one}/bad: vllm.ai/data-parallel-size takes a whole number`)))
  t.equal(byNumber.warnings.length, 1, 'one line for what is wrong with one pod')
  t.same(byName.ids().filter(id => id.includes('127.0.0.2')), ['http://127.0.0.2:9000'], 'a sidecar\'s port by name')
  t.notOk(byName.ids().some(id => id.includes('127.0.0.6')), 'a pod without such a port is no worker')
  await until('two namespaces', () => both.ids().length === inOne.length + 1)
  t.ok(both.ids().includes('http://127.0.0.8:8000'))
  await until('all namespaces', () => everywhere.ids().length === 1)
  t.same(everywhere.ids(), ['http://127.0.0.11:8000'], 'all labels must match')

  const rolesOf = ({ registry }: typeof roles): unknown => Object.fromEntries(registry.list().map(worker => [worker.spec.labels?.['pod'], worker.role]))
  await until('prefill and decode', () => roles.ids().length === 3 && crossed.ids().length === 2)
  t.same(rolesOf(roles), { p: 'prefill', d: 'decode', x: 'decode' })
  t.equal(roles.registry.at('http://127.0.0.9:8000')[0]?.spec.bootstrapPort, 8998)
  t.same(rolesOf(crossed), { d: 'decode', x: 'prefill' })
  t.same(crossed.warnings, [`kubernetes: ${pd}/x: it matches the selectors of prefill and decode workers and is taken as prefill`])

  await setMetadata(cluster, pd, 'd', { labels: { role: 'prefill' } })
  await until('another role', () => roles.registry.at('http://127.0.0.10:8000')[0]?.role === 'prefill')
  t.same(rolesOf(roles), { p: 'prefill', d: 'prefill', x: 'decode' })
}
