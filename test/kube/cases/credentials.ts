// Users with and without rights, and a service account whose token is replaced.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { request, Agent } from 'undici'
import { parseAllDocuments } from 'yaml'
import { until } from '../until.ts'
import type { Cluster } from '../cluster.ts'
import { follow } from '../follow.ts'
import { addPod } from '../pods.ts'

const rbac = '/apis/rbac.authorization.k8s.io/v1'

async function grant (cluster: Cluster, namespace: string, verbs: readonly string[], subject: object): Promise<void> {
  await cluster.call('POST', `${rbac}/namespaces/${namespace}/roles`, { metadata: { name: 'router' }, rules: [{ apiGroups: [''], resources: ['pods'], verbs }] })
  await cluster.call('POST', `${rbac}/namespaces/${namespace}/rolebindings`, {
    metadata: { name: 'router' }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'router' }, subjects: [subject]
  })
}

/** Makes what the document shows. */
async function asDocumented (cluster: Cluster): Promise<{ namespace: string, account: string }> {
  const [, block = ''] = /```yaml\n([^]*?kind: RoleBinding[^]*?)```/.exec(readFileSync('docs/kubernetes.md', 'utf8')) ?? []
  const objects = parseAllDocuments(block).map(document => document.toJS() as { kind: string, metadata: { name: string, namespace: string } })
  const collections: Record<string, string> = { ServiceAccount: '/api/v1', Role: rbac, RoleBinding: rbac }
  const [account] = objects
  if (account?.kind !== 'ServiceAccount') throw new Error('no service account in the document')
  const { name, namespace } = account.metadata
  await cluster.call('POST', '/api/v1/namespaces', { metadata: { name: namespace } })
  for (const object of objects) await cluster.call('POST', `${collections[object.kind]}/namespaces/${namespace}/${object.kind.toLowerCase()}s`, object)
  return { namespace, account: name }
}

export async function credentials (t: Test, cluster: Cluster): Promise<void> {
  await t.test('rights that are missing are named, and used once they are there', async t => {
    const namespace = await cluster.namespace()
    await addPod(cluster, namespace, 'one', { ip: '127.0.0.2' })
    const { ids, source, warnings } = await follow(t, cluster, {
      serviceDiscoveryNamespace: [namespace], serviceDiscoveryResyncSecs: 1, load: config => config.loadFromString(cluster.kubeconfig('nobody'))
    })
    await until('a warning', () => warnings.length > 0)
    const what = `pods in namespace "${namespace}"`
    t.match(warnings, [`kubernetes: not allowed to list ${what} (403): grant get, list and watch on pods`])
    t.match(source.health(), { ok: false, detail: `not allowed to list ${what} (403): grant get, list and watch on pods` })
    await grant(cluster, namespace, ['list'], { kind: 'User', name: 'nobody', apiGroup: 'rbac.authorization.k8s.io' })
    await until('a list', () => ids().length === 1)
    await until('no watch', () => source.health().detail.startsWith(`not allowed to watch ${what} (403)`))
    await addPod(cluster, namespace, 'two', { ip: '127.0.0.3' })
    await until('lists alone go on', () => ids().length === 2)
    await cluster.call('PATCH', `${rbac}/namespaces/${namespace}/roles/router`, { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }] })
    await until('all is well', () => source.health().ok)
  })

  await t.test('all namespaces take rights in the whole cluster', async t => {
    const { warnings } = await follow(t, cluster, { load: config => config.loadFromString(cluster.kubeconfig('nobody')) })
    await until('a warning', () => warnings.length > 0)
    t.match(warnings, ['kubernetes: not allowed to list pods in all namespaces (403): grant get, list and watch on pods'])
  })

  await t.test('a service account with the rights of docs/kubernetes.md, and a token that is replaced', async t => {
    const { namespace, account } = await asDocumented(cluster)
    // a token ends with the object it is bound to
    async function token (name: string): Promise<string> {
      const secret = await cluster.call('POST', `/api/v1/namespaces/${namespace}/secrets`, { metadata: { name } })
      const { status } = await cluster.call('POST', `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`, {
        spec: { expirationSeconds: 3600, boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name, uid: secret.metadata.uid } }
      })
      return status?.token ?? ''
    }
    const [first, second] = [await token('first'), await token('second')]
    const root = t.testdir()
    const folder = join(root, 'var/run/secrets/kubernetes.io/serviceaccount')
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'ca.crt'), readFileSync(cluster.ca))
    writeFileSync(join(folder, 'token'), first)
    const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env
    process.env['KUBERNETES_SERVICE_HOST'] = cluster.address.host
    process.env['KUBERNETES_SERVICE_PORT'] = String(cluster.address.port)
    t.teardown(() => {
      for (const [name, value] of Object.entries({ KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port })) {
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      }
    })
    const { ids, source } = await follow(t, cluster, { serviceDiscoveryNamespace: [namespace], serviceDiscoveryResyncSecs: 0.5, load: config => config.loadFromCluster(root) })
    await addPod(cluster, namespace, 'one', { ip: '127.0.0.2' })
    await until('a worker', () => ids().length === 1)

    await cluster.call('DELETE', `/api/v1/namespaces/${namespace}/secrets/first`)
    const agent = new Agent({ connect: { ca: readFileSync(cluster.ca, 'utf8') } })
    t.teardown(() => agent.destroy())
    await until('the API server no longer takes the old token', async () => {
      const { statusCode, body } = await request(`https://${cluster.address.host}:${cluster.address.port}/api/v1/namespaces/${namespace}/pods`, { dispatcher: agent, headers: { authorization: `Bearer ${first}` } })
      await body.dump()
      return statusCode === 401
    })
    await until('it is told', () => source.health().detail.includes('(401): the API server does not accept the credentials'))
    t.equal(ids().length, 1, 'what is known stays')
    writeFileSync(join(folder, 'token'), second)
    const began = performance.now()
    await until('the new token is found', () => source.health().ok)
    t.comment(`figure: a replaced token is used after ${Math.round(performance.now() - began)} ms`)
    await addPod(cluster, namespace, 'two', { ip: '127.0.0.3' })
    await until('all is well', () => ids().length === 2)
  })
}
