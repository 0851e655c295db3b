// `npm run test:kube`: discovery against a real Kubernetes API server. Each case has a namespace of its own; the figures are printed.
import t from 'tap'
import type { Test } from 'tap'
import { churn } from './cases/churn.ts'
import { credentials } from './cases/credentials.ts'
import { deletedPods } from './cases/deleted-pods.ts'
import { endpointSlices } from './cases/endpoint-slices.ts'
import { frozenWatch } from './cases/frozen-watch.ts'
import { lifeOfPods } from './cases/life-of-pods.ts'
import { outages } from './cases/outages.ts'
import { rolesAndPorts } from './cases/roles-and-ports.ts'
import { thousandPods } from './cases/thousand-pods.ts'
import { Cluster, missingAssets } from './cluster.ts'

const cases: ReadonlyArray<[name: string, run: (t: Test, cluster: Cluster) => Promise<void>]> = [
  ['the life of pods', lifeOfPods],
  ['roles, ports, namespaces and families', rolesAndPorts],
  ['EndpointSlices', endpointSlices],
  ['credentials and rights', credentials],
  ['a deleted pod gets no new request', deletedPods],
  ['a watch that is silently dead', frozenWatch],
  ['10,000 random changes', churn],
  ['a thousand pods', thousandPods],
  // last: it ends the API server and starts it again
  ['an API server that goes and comes back', outages]
]

const missing = missingAssets()
const limit = 600_000

t.setTimeout(limit)
t.test('discovery against a real API server', { skip: missing ?? false, timeout: limit }, async t => {
  const only = process.env['KUBE_CASES']?.split(',')
  const cluster = new Cluster()
  t.teardown(() => cluster.stop())
  await cluster.start()
  for (const [name, run] of cases) {
    if (only?.every(word => !name.includes(word)) !== true) await t.test(name, { timeout: limit }, t => run(t, cluster))
  }
})
