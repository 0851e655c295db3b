// From when the API server has answered a deletion, the router gives the pod no new request for a second at the most; streams it had go on.
import type { Test } from 'tap'
import { kubernetesSource } from '../../../discovery/kubernetes.ts'
import { chat, post } from '../../helpers/client.ts'
import { startRouter } from '../../helpers/router.ts'
import { until } from '../until.ts'
import type { Cluster } from '../cluster.ts'
import { startFleet } from '../fleet.ts'
import { addPod, deletePod, setReady, terminatePod } from '../pods.ts'

const rounds = 30

export async function deletedPods (t: Test, cluster: Cluster): Promise<void> {
  const namespace = await cluster.namespace()
  const addresses = Array.from({ length: 6 }, (_, i) => `127.0.1.${i + 1}`)
  const { port } = await startFleet(t, addresses)
  const source = kubernetesSource({
    selector: ['app=vllm'], serviceDiscoveryNamespace: [namespace], serviceDiscoveryPort: String(port), load: config => config.loadFromString(cluster.kubeconfig())
  })
  const { url, router } = await startRouter(t, { sources: [source], policy: 'random' })
  for (const [i, ip] of addresses.entries()) await addPod(cluster, namespace, `pod-${i}`, { ip })
  const ready = (count: number): Promise<unknown> => until(`${count} ready workers`, () => router.workers.candidates('regular').workers.length === count)
  await ready(6)

  const assigned = new Map<string, number>()
  router.balancer.on('assigned', ({ worker }) => assigned.set(worker.url, performance.now()))
  const traffic = { over: false }
  let errors = 0
  const clients = Array.from({ length: 4 }, async () => {
    while (!traffic.over) if ((await post(`${url}/v1/chat/completions`, chat('hello', { max_tokens: 1 }))).status !== 200) errors++
  })
  const lags: number[] = []
  for (let round = 0; round < rounds; round++) {
    const at = round % addresses.length
    const [name, ip = ''] = [`pod-${at}`, addresses[at]]
    const worker = `http://${ip}:${port}`
    await until('it has traffic', () => assigned.has(worker))
    const change = [deletePod, terminatePod, (...of: [Cluster, string, string]) => setReady(...of, false)][round % 3] ?? deletePod
    await change(cluster, namespace, name)
    const told = performance.now()
    await ready(5)
    // whatever is still to come is there by then
    await new Promise(resolve => setTimeout(resolve, 50))
    lags.push(Math.max(0, (assigned.get(worker) ?? 0) - told))
    assigned.delete(worker)
    if (change !== setReady) await deletePod(cluster, namespace, name).catch(() => {})
    await addPod(cluster, namespace, name, { ip })
    await ready(6)
  }
  t.comment(`figure: last request after a pod was deleted, terminated or not ready, of ${rounds}: at most ${Math.max(...lags).toFixed(0)} ms after the API server had said so`)
  t.ok(Math.max(...lags) <= 1000, 'within a second')
  t.equal(errors, 0, 'and no client noticed')

  // a stream that is under way when the pod is terminated ends as it should
  const answer = await post(`${url}/v1/chat/completions`, chat('long', { stream: true, max_tokens: 400 }))
  const [busy] = await until('it streams', () => {
    const found = router.workers.list().filter(worker => worker.inFlight > 0)
    return found.length > 0 ? found : undefined
  })
  for (const worker of router.workers.list()) await terminatePod(cluster, namespace, worker.spec.labels?.['pod'] ?? '')
  await until('it drains', () => busy?.state === 'draining' || busy?.state === 'gone')
  traffic.over = true
  const text = await answer.text()
  t.match(text, /data: \[DONE\]\s*$/)
  t.notMatch(text, 'stream_broken')
  await Promise.all(clients)
  await until('all are gone', () => router.workers.size === 0)
}
