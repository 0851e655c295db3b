// 10,000 random additions, flips and removals, with connections that break and freeze meanwhile, end with no ghost and nothing missing.
import type { Test } from 'tap'
import { until } from '../until.ts'
import type { Cluster } from '../cluster.ts'
import { follow } from '../follow.ts'
import { addPod, deletePod, setMetadata, setReady, setStatus, terminatePod } from '../pods.ts'
import { startTcpProxy } from '../tcp-proxy.ts'

const changes = 10_000
const lanes = 16
/** Pods a lane has at the most. */
const most = 12

/** A small generator of numbers in [0, 1) that comes out the same for the same seed (mulberry32). */
function generator (seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6D2B79F5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

interface Truth { ip: string, ready: boolean, labelled: boolean, leaving: boolean }

export async function churn (t: Test, cluster: Cluster): Promise<void> {
  const namespace = await cluster.namespace()
  const proxy = await startTcpProxy(t, cluster.address)
  const followed = await follow(t, cluster, { serviceDiscoveryNamespace: [namespace], serviceDiscoveryResyncSecs: 3, port: proxy.port })
  const truth = new Map<string, Truth>()
  const counts: Record<string, number> = {}
  let done = 0
  let made = 0

  async function lane (number: number): Promise<void> {
    const random = generator(number + 1)
    const mine: string[] = []
    const add = async (): Promise<void> => {
      const name = `pod-${number}-${made++}`
      const pod = { ip: `10.${number}.${(made >> 8) & 255}.${made & 255}`, ready: random() < 0.7, labelled: true, leaving: false }
      await addPod(cluster, namespace, name, pod)
      truth.set(name, pod)
      mine.push(name)
    }
    const acts: Record<string, (name: string, pod: Truth) => Promise<void>> = {
      async flip (name, pod) {
        pod.ready = !pod.ready
        await setReady(cluster, namespace, name, pod.ready)
      },
      async readdress (name, pod) {
        pod.ip = `10.${100 + number}.${(done >> 8) & 255}.${done & 255}`
        await setStatus(cluster, namespace, name, { podIP: pod.ip, podIPs: [{ $patch: 'replace' }, { ip: pod.ip }] })
      },
      async label (name, pod) {
        pod.labelled = !pod.labelled
        await setMetadata(cluster, namespace, name, { labels: { app: pod.labelled ? 'vllm' : 'other' } })
      },
      async terminate (name, pod) {
        pod.leaving = true
        await terminatePod(cluster, namespace, name)
      },
      async remove (name) {
        await deletePod(cluster, namespace, name)
        truth.delete(name)
        mine.splice(mine.indexOf(name), 1)
      }
    }
    const weights: ReadonlyArray<[act: string, weight: number]> = [['flip', 0.45], ['readdress', 0.1], ['label', 0.1], ['terminate', 0.1], ['remove', 0.25]]
    while (done < changes) {
      done++
      const name = mine[Math.floor(random() * mine.length)]
      const pod = name === undefined ? undefined : truth.get(name)
      let act = 'add'
      if (name !== undefined && pod !== undefined && mine.length < most && random() > 0.3) {
        let at = random()
        act = weights.find(([, weight]) => (at -= weight) < 0)?.[0] ?? 'flip'
      } else if (mine.length >= most) act = 'remove'
      counts[act] = (counts[act] ?? 0) + 1
      if (act === 'add' || name === undefined || pod === undefined) await add()
      else await acts[act]?.(name, pod)
    }
  }

  let breaks = 0
  let freezes = 0
  const trouble = setInterval(() => {
    if ((breaks + freezes) % 3 === 2) {
      proxy.freeze()
      freezes++
    } else {
      proxy.cut()
      breaks++
    }
  }, 700)
  t.teardown(() => clearInterval(trouble))
  const began = performance.now()
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)))
  const took = performance.now() - began
  clearInterval(trouble)
  const expected = [...truth.values()].filter(pod => pod.ready && pod.labelled && !pod.leaving).map(pod => `http://${pod.ip}:8000`).sort()
  const same = (): boolean => JSON.stringify(followed.ids()) === JSON.stringify(expected)
  const ended = performance.now()
  await until('the registry is true', same).catch(() => {})
  const converged = performance.now() - ended
  const ids = new Set(followed.ids())
  const ghosts = [...ids].filter(id => !expected.includes(id))
  const missing = expected.filter(id => !ids.has(id))
  t.same(ghosts, [], 'no ghosts')
  t.same(missing, [], 'none missing')
  t.ok(expected.length > 20, 'there are workers')
  t.ok(breaks > 2 && freezes > 1, 'connections broke and froze')
  const counted = Object.entries(counts).map(([act, count]) => `${count} ${act}`).join(', ')
  t.comment(`figure: ${done} changes (${counted}) in ${(took / 1000).toFixed(1)} s, with ${breaks} broken and ${freezes} frozen connections: ${ghosts.length} ghosts, ${missing.length} missing of ${expected.length}, ${converged.toFixed(0)} ms after the last`)
  t.comment(`figure: watches opened again: ${JSON.stringify(Object.fromEntries(followed.source.counts?.().watchRestarts ?? []))}, lists: ${JSON.stringify(Object.fromEntries(followed.source.counts?.().relists ?? []))}`)
}
