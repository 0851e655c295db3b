// The watch is frozen so that nobody notices, and a pod is deleted and its worker is gone: the next list heals it, and clients notice nothing.
import type { Test } from 'tap'
import { kubernetesSource } from '../../../discovery/kubernetes.ts'
import { chat, post } from '../../helpers/client.ts'
import { startRouter } from '../../helpers/router.ts'
import { samplesOf } from '../../helpers/samples.ts'
import { until } from '../until.ts'
import type { Cluster } from '../cluster.ts'
import { startFleet } from '../fleet.ts'
import { follow } from '../follow.ts'
import { addPod, deletePod } from '../pods.ts'
import { startTcpProxy } from '../tcp-proxy.ts'

const resyncSecs = 4

export async function frozenWatch (t: Test, cluster: Cluster): Promise<void> {
  await t.test('traffic', async t => {
    const namespace = await cluster.namespace()
    const proxy = await startTcpProxy(t, cluster.address)
    const addresses = ['127.0.2.1', '127.0.2.2', '127.0.2.3']
    const { port, workers } = await startFleet(t, addresses)
    const source = kubernetesSource({
      selector: ['app=vllm'],
      serviceDiscoveryNamespace: [namespace],
      serviceDiscoveryPort: String(port),
      serviceDiscoveryResyncSecs: resyncSecs,
      load: config => config.loadFromString(cluster.kubeconfig('admin', proxy.port))
    })
    const { url, router } = await startRouter(t, { sources: [source], policy: 'round_robin' })
    for (const [i, ip] of addresses.entries()) await addPod(cluster, namespace, `pod-${i}`, { ip })
    await until('all are ready', () => router.workers.candidates('regular').workers.length === 3)
    const lists = (): number => source.counts?.().relists.get('resync') ?? 0
    const before = lists()
    await until('a list', () => lists() > before)

    proxy.freeze()
    await workers.get('127.0.2.2')?.close()
    await deletePod(cluster, namespace, 'pod-1')
    const dead = `http://127.0.2.2:${port}`
    const deletedAt = performance.now()
    const listsThen = lists()
    let listedAt = 0
    let statuses = ''
    let asked = 0
    while (router.workers.get(dead) !== undefined && performance.now() - deletedAt < 15_000) {
      const answer = await post(`${url}/v1/chat/completions`, chat(`${asked++}`, { max_tokens: 1 }))
      await answer.text()
      if (answer.status !== 200) statuses += ` ${answer.status}`
      if (listedAt === 0 && lists() > listsThen) listedAt = performance.now()
    }
    const goneAt = performance.now()
    const healed = goneAt - (listedAt === 0 ? goneAt : listedAt)
    const samples = await samplesOf(router)
    t.equal(router.workers.get(dead), undefined)
    t.equal(statuses, '', 'no client noticed')
    t.ok(samples.sum('retries_total') <= 1, `${samples.sum('retries_total')} failed attempts`)
    t.ok(healed <= 2000, `gone ${healed.toFixed(0)} ms after the list`)
    t.ok(goneAt - deletedAt > 500, 'the watch did not say it')
    t.equal(source.counts?.().watchRestarts.get('behind'), 1)
    t.comment(`figure: with the watch silently frozen, a deleted pod was gone ${healed.toFixed(0)} ms after the next list (every ${resyncSecs} s); meanwhile ${samples.sum('retries_total')} of ${asked} requests met it and went to another, ${statuses === '' ? 'none' : statuses} failed`)
    await addPod(cluster, namespace, 'new', { ip: '127.0.2.3' })
    await until('the new watch works', () => router.workers.list().some(worker => worker.spec.labels?.['pod'] === 'new'))
  })

  await t.test('silence alone, without a list', async t => {
    const namespace = await cluster.namespace()
    const proxy = await startTcpProxy(t, cluster.address)
    const { ids, source, count } = await follow(t, cluster, { serviceDiscoveryNamespace: [namespace], serviceDiscoveryResyncSecs: 3600, watchSilenceMs: 3000, port: proxy.port })
    await until('a watch', () => source.health().ok && proxy.open > 0)
    await addPod(cluster, namespace, 'one', { ip: '127.0.0.2' })
    await until('a worker', () => ids().length === 1)
    proxy.freeze()
    await deletePod(cluster, namespace, 'one')
    await until('it is found out', () => ids().length === 0)
    t.equal(count('watchRestarts', 'silent'), 1)
    t.equal(count('relists', 'start') + count('relists', 'resync'), 1, 'the new watch went on where the old one had ended')
  })
}
