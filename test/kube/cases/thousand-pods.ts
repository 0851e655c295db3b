// A thousand pods: the time to take them in, and what they cost the real router while nothing happens.
import { createServer } from 'node:http'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { inBatches } from '../../../core/batches.ts'
import { WorkerRegistry } from '../../../core/registry.ts'
import { Copy } from '../../../discovery/kubernetes/copy.ts'
import type { ListPage, Pod } from '../../../discovery/kubernetes/objects.ts'
import { readPod } from '../../../discovery/kubernetes/pods.ts'
import { until } from '../until.ts'
import { server, start } from '../../server/binary.ts'
import type { Cluster } from '../cluster.ts'
import { follow } from '../follow.ts'
import { addPod } from '../pods.ts'

const pods = 1000
const runs = 5
const idleSecs = 15
const resyncSecs = 5

export async function thousandPods (t: Test, cluster: Cluster): Promise<void> {
  const namespace = await cluster.namespace()
  const names = Array.from({ length: pods }, (_, i) => i)
  await inBatches(names, 16, i => addPod(cluster, namespace, `pod-${i}`, { ip: `127.1.${i >> 8}.${i & 255}`, annotations: { 'example.com/note': 'x'.repeat(1000) } }))

  await t.test('taking them in', async t => {
    const texts: string[] = []
    let next: string | undefined = ''
    while (next !== undefined && (next !== '' || texts.length === 0)) {
      const page = await cluster.call('GET', `/api/v1/namespaces/${namespace}/pods?limit=200&labelSelector=app%3Dvllm${next === '' ? '' : `&continue=${encodeURIComponent(next)}`}`) as unknown as ListPage
      texts.push(JSON.stringify(page))
      next = page.metadata?.continue
    }
    const times = Array.from({ length: runs }, () => {
      const registry = new WorkerRegistry()
      const copy = new Copy(object => readPod(object as Pod, { role: 'regular', port: '8000', ranks: 1 }))
      const began = performance.now()
      const cpu = process.cpuUsage()
      copy.beginList()
      copy.endList(texts.flatMap(text => (JSON.parse(text) as ListPage).items ?? []), '1')
      registry.apply('kubernetes', [...copy.items()].flatMap(({ spec }) => spec ?? []))
      const [took, used] = [performance.now() - began, process.cpuUsage(cpu)]
      if (registry.size !== pods) throw new Error(`${registry.size} workers`)
      return { took, used: (used.user + used.system) / 1000 }
    })
    const [took, used] = [middle(times.map(time => time.took)), middle(times.map(time => time.used))]
    const began = performance.now()
    const { registry } = await follow(t, cluster, { serviceDiscoveryNamespace: [namespace] })
    await until('all of them', () => registry.size === pods)
    t.comment(`figure: ${pods} pods from the API server's bytes (${(texts.join('').length / 1e6).toFixed(1)} MB) to workers in ${took.toFixed(0)} ms, ${used.toFixed(0)} ms of processor time (medians of ${runs}); from the start of the source, with credentials and ${texts.length} pages, ${(performance.now() - began).toFixed(0)} ms`)
    // other processes do not count
    t.ok(used < 100, `${used} ms of processor time`)
  })

  await t.test('nothing happens', async t => {
    // one server for all of 127.0.0.0/8
    const worker = createServer((request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(request.url === '/v1/models' ? '{"object":"list","data":[{"id":"simulated","object":"model"}]}' : '{}')
    })
    worker.listen(0, '0.0.0.0')
    await once(worker, 'listening')
    t.teardown(() => {
      worker.closeAllConnections()
      return new Promise(resolve => worker.close(resolve))
    })
    const { port } = worker.address() as AddressInfo
    const router = start(t, 'env', [`KUBECONFIG=${cluster.kubeconfigFile}`, process.execPath, server, '--port', '0', '--prometheus-port', '0',
      '--service-discovery', '--selector', 'app=vllm', '--service-discovery-namespace', namespace, '--service-discovery-port', String(port), '--service-discovery-resync-secs', String(resyncSecs)])
    const url = await until('the address', () => /listening on (http:\/\/[^\s"\\]+)/.exec(router.stdout)?.[1])
    const ready = async (): Promise<{ healthy_workers?: number, sources: Array<{ name: string, ok: boolean, detail: string }> }> =>
      await (await fetch(`${url}/readiness`)).json() as { healthy_workers?: number, sources: Array<{ name: string, ok: boolean, detail: string }> }
    await until('all are ready', async () => {
      // not so often that asking is what it does
      await new Promise(resolve => setTimeout(resolve, 100))
      return (await ready()).healthy_workers === pods
    })
    t.match((await ready()).sources, [{ name: 'static', ok: true }, { name: 'kubernetes', ok: true, detail: `${pods} pods found, ${pods} of them workers` }])
    const before = cpuSeconds(router.child.pid ?? 0)
    const began = performance.now()
    await new Promise(resolve => setTimeout(resolve, idleSecs * 1000))
    const share = (cpuSeconds(router.child.pid ?? 0) - before) / ((performance.now() - began) / 1000)
    t.comment(`figure: the router with ${pods} pods and no traffic, a whole list every ${resyncSecs} s: ${share.toFixed(3)} cores over ${idleSecs} s, ${memory(router.child.pid ?? 0)}`)
    t.ok(share <= 0.2, `${share} cores`)
    t.equal(router.stderr, '')
  })
}

function middle (numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Infinity
}

function cpuSeconds (pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function memory (pid: number): string {
  return `${Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024)} MiB`
}
