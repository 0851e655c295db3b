// The router with Kubernetes discovery switched on by its options: workers, probes, metrics and admin routes show it, and closing ends it.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'

t.test('one pod', async t => {
  const [worker] = await startWorkers(t, 1)
  const [beside] = await startWorkers(t, 1)
  const port = new URL(worker?.url ?? '').port
  const pod = {
    metadata: { uid: 'u1', name: 'w1', namespace: 'models', resourceVersion: '5', annotations: { 'vllm.ai/port': port, 'vllm.ai/bootstrap-port': '8998' } },
    spec: { nodeName: 'node-1' },
    status: { phase: 'Running', podIP: '127.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] }
  }
  const asked: string[] = []
  let ended = 0
  const api = createServer((request, response) => {
    asked.push(request.url ?? '')
    if (!request.url?.includes('watch=true')) response.end(JSON.stringify({ metadata: { resourceVersion: '7' }, items: [pod] }))
    else {
      response.flushHeaders()
      response.on('close', () => { ended++ })
    }
  })
  await new Promise<void>(resolve => { api.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise(resolve => api.close(resolve)))
  const file = join(t.testdir(), 'kubeconfig')
  writeFileSync(file, JSON.stringify({
    clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${(api.address() as AddressInfo).port}`, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: { token: 'secret' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x'
  }))
  const { KUBECONFIG: before } = process.env
  process.env['KUBECONFIG'] = file
  t.teardown(() => {
    if (before === undefined) delete process.env['KUBECONFIG']
    else process.env['KUBECONFIG'] = before
  })

  const { app, router } = await startRouter(t, {
    workerUrls: [beside?.url ?? ''], serviceDiscovery: true, selector: ['app=vllm', 'tier=gold'], serviceDiscoveryNamespace: ['models'], serviceDiscoveryPort: '8000'
  })
  await until('both are ready', () => router.workers.candidates('regular').workers.length === 2, 20_000)
  t.match(asked[0], /^\/api\/v1\/namespaces\/models\/pods\?labelSelector=app%3Dvllm%2Ctier%3Dgold&/)
  const { workers } = (await app.inject('/workers')).json<{ workers: object[] }>()
  t.match(workers, [
    { url: beside?.url, sources: ['static'] },
    { url: `http://127.0.0.1:${port}`, state: 'ready', sources: ['kubernetes'], bootstrap_port: 8998, labels: { namespace: 'models', pod: 'w1', node: 'node-1' } }
  ])
  const readiness = (await app.inject('/readiness')).json<{ sources: Array<{ staleSecs: number }> }>()
  t.match(readiness, { sources: [{ name: 'static' }, { name: 'kubernetes', ok: true, detail: '1 pods found, 1 of them workers' }] })
  t.type(readiness.sources[1]?.staleSecs, 'number')
  const samples = await samplesOf(router)
  t.equal(samples.sum('discovery_source_ok', { source: 'kubernetes' }), 1)
  t.equal(samples.sum('discovery_relists_total', { source: 'kubernetes', reason: 'start' }), 1)
  t.equal(samples.sum('discovery_updates_total', { source: 'kubernetes' }), 1)
  t.equal((await app.inject({ method: 'POST', url: '/remove_worker', query: { url: `http://127.0.0.1:${port}` } })).statusCode, 409)

  await app.close()
  await until('the watch is closed', () => ended === 1)
})
