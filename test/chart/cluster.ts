// The chart before a real API server: every rendered object would be taken, roles allow what they should, and releases come, change, go back and go. Run by `npm run test:chart`.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { blocks } from '../docs/blocks.ts'
import { startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'
import { startServer } from '../package/tools.ts'
import { server as binary } from '../server/binary.ts'
import { ApiServer } from './api-server.ts'
import type { KubeObject } from './api-server.ts'
import { argumentsFor, at, chartIn, find, objectsOf, renderAll } from './cases.ts'
import { crdShapes } from './crd-shapes.ts'
import { Helm, findTool } from './tools.ts'

t.setTimeout(600_000)
const [helmPath, etcd, apiServer] = ['helm', 'etcd', 'kube-apiserver'].map(findTool)
const missing = [helmPath === undefined ? 'helm' : '', etcd === undefined ? 'etcd' : '', apiServer === undefined ? 'kube-apiserver' : ''].filter(name => name !== '')

t.test('the chart before an API server', { skip: missing.length > 0 && `${missing.join(', ')} not here (neither in $KUBEBUILDER_ASSETS nor on the PATH)` }, async t => {
  if (helmPath === undefined || etcd === undefined || apiServer === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'vllm-router-chart-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const started = performance.now()
  const server = await ApiServer.start({ etcd, apiServer })
  t.teardown(async () => await server.close())
  t.comment(`API server ready after ${Math.round(performance.now() - started)} ms`)
  const helm = new Helm(helmPath, folder)
  const chart = chartIn(folder)

  const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' }
  for (const name of ['llm', 'models-a', 'models-b']) {
    const made = await server.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: restricted } })
    t.equal(made?.status, 201, name)
  }
  // a folder with definitions of custom resources, for those who have them: then their kinds are checked by the server, too
  const definitions = process.env['CHART_CRDS']
  if (definitions !== undefined) {
    for (const file of readdirSync(definitions)) {
      for (const document of parseAllDocuments(readFileSync(join(definitions, file), 'utf8'))) {
        const made = await server.create(document.toJS() as KubeObject)
        t.equal(made?.status, 201, file, { said: made?.body.message })
      }
    }
  }

  await t.test('every object would be taken as it is', async t => {
    const left = new Set<string>()
    const known = new Map<string, number>()
    for (const { name, objects } of await renderAll(helm, chart, folder)) {
      for (const object of objects) {
        const answer = definitions === undefined
          ? await server.create(object, { dryRun: true, namespace: 'llm' })
          // a definition that was made just now is served a little later
          : await until(`the kind ${object.kind}`, async () => await server.create(object, { dryRun: true, namespace: 'llm' }), 10_000)
        if (answer === undefined) {
          left.add(object.kind)
          continue
        }
        known.set(object.kind, (known.get(object.kind) ?? 0) + 1)
        t.equal(answer.status, 201, `${name}: ${object.kind} ${object.metadata.name}`, { said: answer?.body.message })
        t.same(answer.warnings, [], `${name}: ${object.kind}: no warnings`)
        if (object.kind !== 'Deployment') continue
        // a Deployment's pods are made by a controller, which is not here: the pod itself is shown to the admission of a restricted namespace
        const pod = at(object, 'spec.template') as { metadata: object, spec: object }
        const asPod = await server.create({ apiVersion: 'v1', kind: 'Pod', ...pod, metadata: { ...pod.metadata, name: 'pod' } }, { dryRun: true, namespace: 'llm' })
        t.equal(asPod?.status, 201, `${name}: its pod in a restricted namespace`, { said: asPod?.body.message })
      }
    }
    t.comment(`checked by the API server: ${[...known].map(([kind, count]) => `${count} ${kind}`).join(', ')}`)
    t.same([...left].sort(), definitions === undefined ? Object.keys(crdShapes).sort() : [])
    if (left.size > 0) t.comment(`unknown to the API server, checked by their shape only: ${[...left].join(', ')}`)
  })

  await t.test('what the documents show can be applied', async t => {
    let manifests = 0
    let values = 0
    for (const { text } of blocks().filter(({ page, info }) => page === 'docs/kubernetes-deploy.md' && info === 'yaml')) {
      if (text.startsWith('# values\n')) {
        values++
        const file = join(folder, `shown-${values}.yaml`)
        writeFileSync(file, text)
        await t.resolves(helm.template('chart', '--values', file), text)
        continue
      }
      for (const object of objectsOf(text)) {
        manifests++
        const answer = await server.create(object, { dryRun: true, namespace: 'models-a' })
        t.equal(answer?.status, 201, `${object.kind} ${object.metadata.name}`, { said: answer?.body.message })
      }
    }
    t.same([manifests, values], [2, 3])
  })

  await t.test('the server would refuse what is wrong', async t => {
    const [deployment] = objectsOf(await helm.template(chart, '--show-only', 'templates/deployment.yaml'))
    if (deployment === undefined) throw new Error('no Deployment')
    const misspelt = await server.create({ ...deployment, spec: { ...deployment['spec'] as object, replicaCount: 3 } }, { dryRun: true })
    t.match(misspelt, { status: 400, body: { message: /unknown field "spec\.replicaCount"/ } })
    const pod = at(deployment, 'spec.template') as { metadata: object, spec: object }
    const asRoot = { ...pod, spec: { ...pod.spec, securityContext: {} } }
    const made = await server.create({ apiVersion: 'v1', kind: 'Pod', ...asRoot, metadata: { name: 'pod' } }, { dryRun: true, namespace: 'llm' })
    t.match(made, { status: 403, body: { message: /violates PodSecurity "restricted/ } })
  })

  /** May the account of a release do this? */
  async function may (account: string, verb: string, resource: string, namespace: string, group = ''): Promise<unknown> {
    const answer = await server.ask('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: `system:serviceaccount:llm:${account}`, groups: ['system:serviceaccounts', 'system:serviceaccounts:llm', 'system:authenticated'], resourceAttributes: { verb, resource, namespace, group } }
    })
    return at(answer.body, 'status.allowed')
  }
  const release = async (verb: string, name: string, ...args: string[]): Promise<void> => {
    const { ok, stderr } = await helm.run(verb, name, ...args, '--namespace', 'llm', '--kubeconfig', server.kubeconfig)
    t.ok(ok, `helm ${verb} ${name}`, { said: stderr })
  }
  const watching = { serviceDiscovery: true, selector: ['app=vllm'] }

  await t.test('roles allow that and nothing else', async t => {
    const two = { fullnameOverride: 'two', options: { ...watching, serviceDiscoveryNamespace: ['models-a', 'models-b'] } }
    const all = { fullnameOverride: 'all', options: watching, rbac: { allNamespaces: true } }
    const slices = { fullnameOverride: 'slices', options: { ...watching, serviceDiscoveryMode: 'endpointslices', serviceName: ['vllm'] } }
    for (const values of [two, all, slices]) await release('install', values.fullnameOverride, chart, ...argumentsFor(values, folder, values.fullnameOverride))
    // the authorizer learns of new roles by watching
    await until('the last role counts', async () => await may('slices', 'watch', 'endpointslices', 'llm', 'discovery.k8s.io') === true, 10_000)
    for (const verb of ['get', 'list', 'watch']) {
      t.equal(await may('two', verb, 'pods', 'models-a'), true)
      t.equal(await may('two', verb, 'pods', 'models-b'), true)
      t.equal(await may('two', verb, 'pods', 'llm'), false, 'not where it has nothing to look for')
      t.equal(await may('two', verb, 'pods', ''), false)
      t.equal(await may('all', verb, 'pods', ''), true)
      t.equal(await may('slices', verb, 'endpointslices', 'llm', 'discovery.k8s.io'), true)
      t.equal(await may('slices', verb, 'pods', 'llm'), false)
      for (const account of ['two', 'all', 'slices']) for (const thing of ['secrets', 'configmaps', 'nodes']) t.equal(await may(account, verb, thing, 'models-a'), false, `${account} ${verb} ${thing}`)
    }
    for (const verb of ['create', 'update', 'patch', 'delete']) t.equal(await may('all', verb, 'pods', 'llm'), false, verb)
    for (const name of ['two', 'all', 'slices']) await release('uninstall', name)
  })

  await t.test('the role is enough for the router, and its file leads it to its workers', async t => {
    await server.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'workers' } })
    const [worker] = await startWorkers(t, 1)
    const port = Number(new URL(worker?.url ?? '').port)
    const ways = [
      { name: 'by-pods', options: { ...watching, serviceDiscoveryNamespace: ['workers'], serviceDiscoveryPort: port } },
      { name: 'by-slices', options: { serviceDiscovery: true, serviceDiscoveryMode: 'endpointslices', serviceName: ['vllm'], serviceDiscoveryNamespace: ['workers'] } }
    ]
    for (const { name, options } of ways) {
      await release('install', name, chart, ...argumentsFor({ fullnameOverride: name, options: { ...options, host: '127.0.0.1' } }, folder, name))
      const asked = await server.ask('POST', `/api/v1/namespaces/llm/serviceaccounts/${name}/token`, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} })
      const kubeconfig = join(folder, `${name}.kubeconfig`)
      const admin = JSON.parse(readFileSync(server.kubeconfig, 'utf8')) as { users: unknown }
      writeFileSync(kubeconfig, JSON.stringify({ ...admin, users: [{ name: 'admin', user: { token: at(asked.body, 'status.token') } }] }))
      const config = join(folder, `${name}.router.yaml`)
      writeFileSync(config, String((at((await server.ask('GET', `/api/v1/namespaces/llm/configmaps/${name}`)).body, 'data') as Record<string, string>)['router.yaml']))
      const { url, told } = await startServer(t, folder, process.execPath, [binary, '--config', config, '--port', '0', '--prometheus-port', '0'], { KUBECONFIG: kubeconfig })
      const sources = async (): Promise<ReadonlyArray<{ name: string, ok: boolean }>> => at(await (await fetch(`${url}/readiness`)).json(), 'sources') as Array<{ name: string, ok: boolean }>
      await until('the router sees what it may see', async () => (await sources()).some(source => source.name === 'kubernetes' && source.ok), 20_000)
      t.notMatch(told(), /forbidden|"level":50/i, `${name}: nothing was refused`)
      if (name === 'by-slices') continue
      // no kubelet is here to run it: its state is written as one would
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'vllm-0', namespace: 'workers', labels: { app: 'vllm' } }, spec: { nodeName: 'node', containers: [{ name: 'vllm', image: 'vllm' }] } }
      t.equal((await server.create(pod))?.status, 201)
      const state = { phase: 'Running', podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }], conditions: [{ type: 'Ready', status: 'True' }] }
      t.equal((await server.ask('PUT', '/api/v1/namespaces/workers/pods/vllm-0/status', { ...pod, status: state })).status, 200)
      await until('the pod is a worker', async () => (await fetch(`${url}/readiness`)).ok, 20_000)
    }
    for (const { name } of ways) await release('uninstall', name)
  })

  await t.test('a release is installed, changed, taken back, and gone', async t => {
    const name = 'router-fastify-vllm-router'
    const policy = async (): Promise<unknown> => at((await server.ask('GET', `/api/v1/namespaces/llm/configmaps/${name}`)).body, 'data')
    const generation = async (): Promise<unknown> => at((await server.ask('GET', `/apis/apps/v1/namespaces/llm/deployments/${name}`)).body, 'metadata.generation')
    await release('install', 'router', chart, ...argumentsFor({ options: { workerUrls: ['http://a:8000'], policy: 'round_robin' } }, folder, 'first'))
    t.match(await policy(), { 'router.yaml': /policy: round_robin/ })
    t.equal(await generation(), 1)
    await release('upgrade', 'router', chart, ...argumentsFor({ options: { workerUrls: ['http://a:8000'], policy: 'random' } }, folder, 'second'))
    t.match(await policy(), { 'router.yaml': /policy: random/ })
    t.equal(await generation(), 1, 'pods are not replaced')
    await release('upgrade', 'router', chart, ...argumentsFor({ options: { workerUrls: ['http://a:8000'], policy: 'random', maxPayloadSize: 1000000 } }, folder, 'third'))
    t.equal(await generation(), 2, 'they are for an option that holds from the start on')
    await release('rollback', 'router', '1')
    t.match(await policy(), { 'router.yaml': /policy: round_robin/ })
    t.equal(await generation(), 3)
    const { ok, stderr } = await helm.run('upgrade', 'router', chart, '--namespace', 'llm', '--kubeconfig', server.kubeconfig, ...argumentsFor({ options: { policy: 'fastest' } }, folder, 'wrong'))
    t.notOk(ok)
    t.match(stderr, /\/options\/policy/)
    t.equal(await generation(), 3, 'a refused change changes nothing')
    await release('uninstall', 'router')
    for (const path of ['/apis/apps/v1/namespaces/llm/deployments', '/api/v1/namespaces/llm/services', '/api/v1/namespaces/llm/configmaps', '/apis/policy/v1/namespaces/llm/poddisruptionbudgets', '/apis/networking.k8s.io/v1/namespaces/llm/networkpolicies']) {
      const { body } = await server.ask('GET', path)
      t.same((body['items'] as KubeObject[]).map(({ metadata }) => metadata.name), [], path)
    }
  })

  await t.test('a router by its Service is found under its port', async t => {
    const objects = objectsOf(await helm.template(chart, ...argumentsFor({ options: { port: 8080 }, service: { port: 8000 } }, folder, 'ports')))
    t.match(find(objects, 'Service')['spec'], { ports: [{ port: 8000, targetPort: 'http' }] })
    t.match(find(objects, 'Deployment')['spec'], { template: { spec: { containers: [{ ports: [{ name: 'http', containerPort: 8080 }] }] } } })
  })
})
