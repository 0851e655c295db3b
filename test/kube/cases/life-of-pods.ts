// One pod after the other comes, changes in every way, and goes; the watch alone tells.
import type { Test } from 'tap'
import { until } from '../until.ts'
import type { Cluster } from '../cluster.ts'
import { follow } from '../follow.ts'
import { addPod, deletePod, setMetadata, setReady, setStatus, terminatePod } from '../pods.ts'

export async function lifeOfPods (t: Test, cluster: Cluster): Promise<void> {
  const namespace = await cluster.namespace()
  const { ids, registry, source, count, warnings } = await follow(t, cluster, { serviceDiscoveryNamespace: [namespace], serviceDiscoveryResyncSecs: 3600 })
  const become = async (what: string, ...addresses: string[]): Promise<void> => {
    const expected = addresses.map(address => `http://${address}:8000`)
    await until(what, () => JSON.stringify(ids()) === JSON.stringify(expected)).catch(() => {})
    t.same(ids(), expected, what)
  }
  await until('the first list', () => source.health().ok)

  const first = await addPod(cluster, namespace, 'one')
  await setStatus(cluster, namespace, 'one', { phase: 'Running', podIP: '127.0.0.2', podIPs: [{ ip: '127.0.0.2' }], conditions: [{ type: 'Ready', status: 'False' }] })
  await addPod(cluster, namespace, 'two', { ip: '127.0.0.3' })
  await become('an address without readiness is no worker', '127.0.0.3')
  await setReady(cluster, namespace, 'one', true)
  await become('ready', '127.0.0.2', '127.0.0.3')
  const [worker] = registry.at('http://127.0.0.2:8000')
  t.match(worker?.sources, ['kubernetes'])
  t.match(worker?.spec.labels, { namespace, pod: 'one', node: 'node-1' })

  await setReady(cluster, namespace, 'one', false)
  await become('no longer ready', '127.0.0.3')
  await setReady(cluster, namespace, 'one', true)
  await become('ready again', '127.0.0.2', '127.0.0.3')
  await setStatus(cluster, namespace, 'one', { phase: 'Failed' })
  await become('a failed pod may still say that it is ready', '127.0.0.3')
  await setStatus(cluster, namespace, 'one', { phase: 'Running' })
  await become('running', '127.0.0.2', '127.0.0.3')

  // another sandbox, another address
  await setStatus(cluster, namespace, 'one', { podIP: '127.0.0.4', podIPs: [{ $patch: 'replace' }, { ip: '127.0.0.4' }] })
  await become('another address', '127.0.0.3', '127.0.0.4')

  await setMetadata(cluster, namespace, 'one', { labels: { app: 'other' } })
  await become('a label that no longer matches', '127.0.0.3')
  await setMetadata(cluster, namespace, 'one', { labels: { app: 'vllm' } })
  await become('a label that matches again', '127.0.0.3', '127.0.0.4')
  await setMetadata(cluster, namespace, 'one', { annotations: { 'vllm.ai/model': 'llama' } })
  await until('the annotation', () => registry.at('http://127.0.0.4:8000')[0]?.spec.model === 'llama')

  await deletePod(cluster, namespace, 'one')
  await become('a forced deletion', '127.0.0.3')
  const again = await addPod(cluster, namespace, 'one', { ip: '127.0.0.5' })
  t.not(again.metadata.uid, first.metadata.uid)
  await become('the same name, another pod', '127.0.0.3', '127.0.0.5')

  await terminatePod(cluster, namespace, 'one')
  await become('a deletion with grace counts at once', '127.0.0.3')
  t.match(source.health(), { ok: true, detail: '2 pods found, 1 of them workers' }, 'though the pod is still there')
  await deletePod(cluster, namespace, 'one')
  await until('it is gone', () => source.health().detail === '1 pods found, 1 of them workers')
  await deletePod(cluster, namespace, 'two')
  await become('nothing is left')

  t.equal(count('relists', 'start'), 1)
  t.equal(count('relists', 'resync') + count('relists', 'expired'), 0, 'no list was needed')
  t.same(warnings, [])
}
