// The chart as helm renders it: for every example and a matrix of values. Run by `npm run test:chart`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { loadOptions } from '../../options/load.ts'
import { optionSpecs } from '../../options.ts'
import { camelCase } from '../../options/spec.ts'
import { environment, untapped } from '../helpers/environment.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { argumentsFor, at, chartIn, find, objectsOf, refused, renderAll } from './cases.ts'
import type { Rendering } from './cases.ts'
import { crdShapes } from './crd-shapes.ts'
import { Helm, findTool } from './tools.ts'
import { validator } from './validator.ts'

t.setTimeout(300_000)
const path = findTool('helm')

/** Pods that an object makes, as their spec. */
function podsOf ({ objects }: Rendering): Array<Record<string, unknown>> {
  return objects.flatMap(object => object.kind === 'Pod' ? [object['spec']] : object.kind === 'Deployment' ? [at(object, 'spec.template.spec')] : []) as Array<Record<string, unknown>>
}

const isWithin = (part: unknown, whole: unknown): boolean =>
  Object.entries(part as Record<string, unknown>).every(([key, value]) => (whole as Record<string, unknown> | undefined)?.[key] === value)

t.test('the chart, rendered', { skip: path === undefined && 'helm is not here (neither in $KUBEBUILDER_ASSETS nor on the PATH)' }, async t => {
  if (path === undefined) return
  const folder = mkdtempSync(join(tmpdir(), 'vllm-router-chart-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const helm = new Helm(path, folder)
  const chart = chartIn(folder)
  t.comment(helm.version())
  const renderings = await renderAll(helm, chart, folder)
  const render = async (values: object): Promise<Rendering> => {
    const text = await helm.template(chart, ...argumentsFor(values, folder, 'values'))
    return { name: 'values', text, objects: objectsOf(text) }
  }
  const template = (rendering: Rendering): string => JSON.stringify(at(find(rendering.objects, 'Deployment'), 'spec.template'))

  await t.test('lint', async t => {
    for (const args of [[], ...readdirSync('chart/examples').map(name => ['--values', join('chart/examples', name)])]) {
      const { ok, stdout, stderr } = await helm.run('lint', '--strict', '--kube-version', '1.36.0', chart, ...args)
      t.ok(ok, `lint ${args.join(' ')}`, { said: stdout + stderr })
      t.notMatch(stdout, /WARNING|ERROR/)
    }
  })

  await t.test('nothing is left unfilled', async t => {
    for (const { name, text } of renderings) t.notMatch(text, /<no value>|%!|<nil>|e\+\d\d/, name)
  })

  await t.test('what cannot work is refused, and why', async t => {
    for (const [values, message] of refused) {
      const { ok, stderr } = await helm.run('template', 'router', chart, '--kube-version', '1.36.0', ...argumentsFor(values, folder, 'refused'))
      t.notOk(ok, JSON.stringify(values))
      t.match(stderr, message)
    }
    const { stderr } = await helm.run('template', 'router', chart, '--kube-version', '1.26.0')
    t.match(stderr, /chart requires kubeVersion: >=1\.27/)
  })

  await t.test('no pod has rights it does not need', async t => {
    for (const rendering of renderings) {
      for (const pod of podsOf(rendering)) {
        t.same(pod['securityContext'], { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } }, rendering.name)
        for (const name of ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace']) t.equal(pod[name], undefined)
        for (const container of pod['containers'] as object[]) {
          t.same(at(container, 'securityContext'), { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
          t.notMatch(JSON.stringify(container), /hostPort|privileged/)
        }
        for (const volume of pod['volumes'] as object[] | undefined ?? []) t.notOk('hostPath' in volume)
        const watches = rendering.text.includes('serviceDiscovery: true') && !rendering.text.includes('service-dns')
        t.equal(pod['automountServiceAccountToken'], watches && pod['terminationGracePeriodSeconds'] !== undefined, `${rendering.name}: a token only where the API server is asked`)
      }
    }
  })

  await t.test('roles allow reading what the mode needs, where it is needed', async t => {
    for (const { name, objects } of renderings) {
      for (const role of objects.filter(({ kind }) => /Role$/.test(kind))) {
        const rules = role['rules'] as Array<Record<string, string[]>>
        t.equal(rules.length, 1, name)
        t.same(rules[0]?.['verbs'], ['get', 'list', 'watch'])
        t.match(JSON.stringify([rules[0]?.['apiGroups'], rules[0]?.['resources']]), /^\[\[""\],\["pods"\]\]$|^\[\["discovery.k8s.io"\],\["endpointslices"\]\]$/)
      }
    }
    const places = (name: string): string[] => renderings.filter(one => one.name === name).flatMap(({ objects }) => objects)
      .filter(({ kind }) => /Role(Binding)?$/.test(kind)).map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}`)
    t.same(places('discovery.yaml'), ['Role llm', 'RoleBinding llm'])
    t.same(places('pods of two namespaces').sort(), ['Role models-a', 'Role models-b', 'RoleBinding models-a', 'RoleBinding models-b'])
    t.same(places('pods of all namespaces'), ['ClusterRole ', 'ClusterRoleBinding '])
    t.same([...places('names in DNS'), ...places('one-model.yaml'), ...places('nothing extra'), ...places('defaults')], [])
    const config = (name: string): string => String(at(find(renderings.find(one => one.name === name)?.objects ?? [], 'ConfigMap'), 'data') && JSON.stringify(at(find(renderings.find(one => one.name === name)?.objects ?? [], 'ConfigMap'), 'data')))
    t.match(config('discovery.yaml'), /serviceDiscoveryNamespace:\\n- llm/, 'the router looks where it may')
    t.notMatch(config('pods of all namespaces'), /serviceDiscoveryNamespace/)
  })

  await t.test('parts find each other', async t => {
    for (const { name, objects } of renderings) {
      const labels = at(find(objects, 'Deployment'), 'spec.template.metadata.labels')
      const ports = (at(find(objects, 'Deployment'), 'spec.template.spec.containers') as Array<{ ports: Array<{ name: string, containerPort: number }> }>)[0]?.ports ?? []
      const names: unknown[] = ports.map(port => port.name)
      for (const object of objects) {
        const spec = object['spec'] as Record<string, unknown>
        if (object.kind === 'Service') {
          t.ok(isWithin(spec['selector'], labels), `${name}: Service ${object.metadata.name}`)
          for (const port of spec['ports'] as Array<{ targetPort: string }>) t.ok(names.includes(port.targetPort), `${name}: ${port.targetPort}`)
        }
        if (object.kind === 'Deployment' || object.kind === 'PodDisruptionBudget') t.ok(isWithin(at(spec, 'selector.matchLabels'), labels), `${name}: ${object.kind}`)
        if (object.kind === 'NetworkPolicy') {
          t.ok(isWithin(at(spec, 'podSelector.matchLabels'), labels), `${name}: NetworkPolicy`)
          for (const rule of spec['ingress'] as Array<{ ports: Array<{ port: string }> }>) for (const { port } of rule.ports) t.ok(names.includes(port), `${name}: NetworkPolicy ${port}`)
        }
        if (object.kind === 'PodMonitor') t.ok(isWithin(at(spec, 'selector.matchLabels'), labels), `${name}: PodMonitor`)
        if (object.kind === 'ServiceMonitor') {
          const service = objects.filter(({ kind, metadata }) => kind === 'Service' && isWithin(at(spec, 'selector.matchLabels'), metadata.labels))
          t.equal(service.length, 1, `${name}: one Service for the ServiceMonitor`)
        }
        if (/HorizontalPodAutoscaler|ScaledObject/.test(object.kind)) {
          t.equal(at(spec, 'scaleTargetRef.name'), find(objects, 'Deployment').metadata.name)
          t.equal(at(find(objects, 'Deployment'), 'spec.replicas'), undefined, `${name}: replicas are the scaler's`)
        }
        if (object.kind === 'PodDisruptionBudget') t.notSame(at(find(objects, 'Deployment'), 'spec.replicas'), 1)
      }
    }
    const kinds = (name: string): string[] => renderings.find(one => one.name === name)?.objects.map(({ kind }) => kind) ?? []
    t.ok(kinds('defaults').includes('PodDisruptionBudget'))
    t.notOk(kinds('nothing extra').includes('PodDisruptionBudget'), 'one router needs none')
    t.ok(kinds('scaled by KEDA').includes('PodDisruptionBudget'))
    t.notOk(kinds('pd-zmq.yaml').includes('PodDisruptionBudget'))
  })

  await t.test('the kubelet waits longer than the router drains', async t => {
    const grace = async (options: object, margin = 10): Promise<unknown> =>
      at(find((await render({ options, shutdownMarginSeconds: margin })).objects, 'Deployment'), 'spec.template.spec.terminationGracePeriodSeconds')
    t.equal(await grace({}), 320)
    t.equal(await grace({ drainDelaySecs: 0, drainTimeoutSecs: 0 }), 10)
    t.equal(await grace({ drainDelaySecs: 7.5, drainTimeoutSecs: 60.2 }, 20), 88)
    t.equal(await grace({ drainTimeoutSecs: 1000000.5 }), 1000021)
  })

  await t.test('a change replaces pods only where a running router cannot take it over', async t => {
    const before = template(await render({}))
    for (const options of [{ policy: 'random' }, { workerUrls: ['http://a:1'] }, { queueSize: 7 }, { logLevel: 'debug' }]) t.equal(template(await render({ options })), before, JSON.stringify(options))
    for (const options of [{ maxPayloadSize: 1 }, { accessLog: true }, { requestIdHeaders: ['a'] }, { host: '::' }]) t.not(template(await render({ options })), before, JSON.stringify(options))
  })

  await t.test('the router reads its file as it was meant', async t => {
    const known = new Set(optionSpecs.map(spec => camelCase(spec.name)))
    let read = 0
    for (const { name, objects } of renderings) {
      const text = String((find(objects, 'ConfigMap')['data'] as Record<string, string>)['router.yaml'])
      const unknown = [...text.matchAll(/^(\w+):/gm)].some(([, key = '']) => !known.has(key))
      if (unknown) continue
      const file = join(folder, 'router.yaml')
      writeFileSync(file, text)
      const loaded = await loadOptions(['--config', file], {}, folder)
      if (loaded.command !== 'serve') throw new Error(loaded.command)
      read++
      if (name === 'large and broken numbers') t.match(loaded.options, { maxPayloadSize: 4294967296, maxIndexEntries: 123456789, retryJitterFactor: 0.25, drainTimeoutSecs: 100000.5 })
      if (name === 'one-model.yaml') t.equal(loaded.options.workerUrls.length, 4)
    }
    t.ok(read > 8, `${read} were read`)
  })

  await t.test('addresses and secrets are in the environment', async t => {
    const rendering = renderings.find(({ name }) => name === 'one-model.yaml')
    const [container] = at(find(rendering?.objects ?? [], 'Deployment'), 'spec.template.spec.containers') as Array<{ env: object[], args: string[] }>
    t.same(container?.env, [
      { name: 'VLLM_ROUTER_HOST', value: '0.0.0.0' },
      { name: 'VLLM_ROUTER_PROMETHEUS_HOST', value: '0.0.0.0' },
      { name: 'VLLM_ROUTER_API_KEY', valueFrom: { secretKeyRef: { name: 'vllm', key: 'api-key' } } }
    ])
    t.same(container?.args, ['--config', '/etc/vllm-router/config/router.yaml'])
    const tls = await render({ secrets: { tlsCert: { name: 'router-tls', key: 'tls.crt' }, tlsKey: { name: 'router-tls', key: 'tls.key' } } })
    t.match(tls.text, /tlsCert: \/etc\/vllm-router\/secrets\/router-tls\/tls.crt/)
    t.match(tls.text, /scheme: HTTPS/)
    const volumes = at(find(tls.objects, 'Deployment'), 'spec.template.spec.volumes') as Array<{ secret?: object }>
    t.same(volumes.flatMap(({ secret }) => secret ?? []), [{ secretName: 'router-tls', defaultMode: 0o440, items: [{ key: 'tls.crt', path: 'tls.crt' }, { key: 'tls.key', path: 'tls.key' }] }], 'one volume: certificate and key change together')
  })

  await t.test('probes ask what they can', async t => {
    const probes = (name: string): unknown[] => {
      const { objects } = renderings.find(one => one.name === name) ?? { objects: [] }
      const [container] = at(find(objects, 'Deployment'), 'spec.template.spec.containers') as Array<Record<string, unknown>>
      return ['startupProbe', 'livenessProbe', 'readinessProbe'].map(probe => at(container, `${probe}.httpGet`) ?? at(container, `${probe}.tcpSocket`))
    }
    const http = (path: string, scheme = 'HTTP'): object => ({ path, port: 'http', scheme })
    t.same(probes('defaults'), [http('/liveness'), http('/liveness'), http('/readiness')])
    t.same(probes('TLS from a Secret'), [http('/liveness', 'HTTPS'), http('/liveness', 'HTTPS'), http('/readiness', 'HTTPS')])
    t.same(probes('clients with certificates'), [{ port: 'http' }, { port: 'http' }, { port: 'http' }], 'the kubelet has no certificate')
  })

  await t.test('workers that register find the router before it is ready', async t => {
    const { objects } = renderings.find(({ name }) => name === 'pd-zmq.yaml') ?? { objects: [] }
    t.same(at(find(objects, 'Deployment'), 'spec.strategy'), { type: 'Recreate' })
    t.match(find(objects, 'Service', '-discovery')['spec'], { publishNotReadyAddresses: true, ports: [{ port: 30001 }] })
  })

  await t.test('kinds that a bare API server does not know have the shape of their definitions', async t => {
    const seen = new Set<string>()
    for (const { name, objects } of renderings) {
      for (const object of objects) {
        const shape = crdShapes[object.kind]
        if (shape === undefined) continue
        seen.add(object.kind)
        t.equal(object.apiVersion, shape.apiVersion)
        t.same((await validator(shape.spec))(object['spec']), [], `${name}: ${object.kind}`)
      }
    }
    t.same([...seen].sort(), Object.keys(crdShapes).sort())
  })

  await t.test('the dashboard comes as it is', async t => {
    const { objects } = renderings.find(({ name }) => name === 'one-model.yaml') ?? { objects: [] }
    const { data } = find(objects, 'ConfigMap', '-dashboard') as unknown as { data: Record<string, string> }
    t.same(JSON.parse(data['vllm-router.json'] ?? ''), JSON.parse(readFileSync('chart/dashboards/router.json', 'utf8')))
    t.match(find(objects, 'PrometheusRule')['spec'], { groups: [{ rules: [{ annotations: { summary: /\{\{ \$labels\.pod \}\}/ } }] }] })
  })

  await t.test('helm test asks a router that has a worker', async t => {
    const pod = find(renderings.find(({ name }) => name === 'defaults')?.objects ?? [], 'Pod')
    t.match(pod.metadata.annotations, { 'helm.sh/hook': 'test' })
    const [container] = at(pod, 'spec.containers') as Array<{ command: string[], args: string[] }>
    const [command = '', ...rest] = [...container?.command ?? [], ...container?.args ?? []]
    const ask = async (url: string): Promise<unknown> => {
      const child = spawn(...untapped(command, rest), { env: { ...environment, URL: url, PATIENCE_SECS: '1.5' }, stdio: 'ignore' })
      return (await once(child, 'close'))[0]
    }
    const [worker] = await startWorkers(t, 1)
    const { url } = await startRouter(t, { workerUrls: [worker?.url ?? ''] })
    const { url: lonely } = await startRouter(t)
    t.equal(await ask(url), 0)
    t.equal(await ask(lonely), 1, 'a router without workers')
  })
})
