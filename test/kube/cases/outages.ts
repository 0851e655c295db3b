// The API server is killed and started again, with watches that notice, that do not, and that are too old afterwards.
import type { Test } from 'tap'
import { until } from '../until.ts'
import type { Cluster } from '../cluster.ts'
import { follow } from '../follow.ts'
import { addPod, deletePod, setReady } from '../pods.ts'
import { startTcpProxy } from '../tcp-proxy.ts'

export async function outages (t: Test, cluster: Cluster): Promise<void> {
  const namespace = await cluster.namespace()
  const [frozenProxy, cutProxy] = [await startTcpProxy(t, cluster.address), await startTcpProxy(t, cluster.address)]
  const scope = { serviceDiscoveryNamespace: [namespace], serviceDiscoveryResyncSecs: 3 }
  const direct = await follow(t, cluster, scope)
  const frozen = await follow(t, cluster, { ...scope, port: frozenProxy.port })
  const old = await follow(t, cluster, { ...scope, serviceDiscoveryResyncSecs: 3600, port: cutProxy.port })
  const all = { direct, frozen, old }
  for (const name of ['one', 'two', 'three']) await addPod(cluster, namespace, name, { ip: `127.0.0.${name.length}` })
  for (const name of ['one', 'two', 'three'].slice(1)) await setReady(cluster, namespace, name, true)
  await addPod(cluster, namespace, 'four', { ip: '127.0.0.44' })
  const before = ['http://127.0.0.3:8000', 'http://127.0.0.44:8000', 'http://127.0.0.5:8000']
  for (const [name, { ids }] of Object.entries(all)) await until(`${name} knows the pods`, () => JSON.stringify(ids()) === JSON.stringify(before))

  frozenProxy.freeze()
  cutProxy.refuse(true)
  await cluster.killServer()
  cutProxy.cut()
  await until('it is noticed', () => !direct.source.health().ok && !old.source.health().ok)
  t.match(direct.source.health().detail, /^cannot (list|watch) pods in namespace "[^"]+": (connection refused|the connection broke)/)
  t.match(direct.source.health().detail, /; the last known list stays in force$/)
  const late = await follow(t, cluster, scope)
  await until('a start without an API server is told', () => late.warnings.length > 0)
  t.match(late.source.health(), { ok: false })
  for (const [name, { ids }] of Object.entries(all)) t.same(ids(), before, `${name} keeps what it knows`)
  t.ok(Number(direct.source.health().staleSecs) > 0)

  // much happens to other objects, and what happened before is forgotten
  await cluster.moveOn()
  const began = performance.now()
  await cluster.startServer()
  const started = performance.now()
  await deletePod(cluster, namespace, 'four')
  await addPod(cluster, namespace, 'five', { ip: '127.0.0.55' })
  cutProxy.refuse(false)
  const after = ['http://127.0.0.3:8000', 'http://127.0.0.55:8000', 'http://127.0.0.5:8000']
  for (const [name, { ids }] of Object.entries({ ...all, late })) {
    await until(`${name} is true again`, () => JSON.stringify(ids()) === JSON.stringify(after)).catch(() => {})
    t.same(ids(), after, `${name} is true again`)
  }
  const took = performance.now() - started
  for (const { source } of [direct, frozen, old, late]) await until('all is well', () => source.health().ok)
  t.ok(direct.count('watchRestarts', 'failed') >= 1, 'the watch that noticed')
  t.equal(frozen.count('watchRestarts', 'behind'), 1, 'the watch that did not')
  t.ok(old.count('watchRestarts', 'expired') >= 1, 'the one whose version was gone')
  t.equal(old.count('relists', 'expired'), 1)
  t.comment(`figure: after an API server that was away for ${((started - began) / 1000).toFixed(1)} s and more, all copies were true ${took.toFixed(0)} ms after it was ready`)
  await addPod(cluster, namespace, 'six', { ip: '127.0.0.66' })
  for (const [name, { ids }] of Object.entries({ ...all, late })) await until(`${name} follows`, () => ids().includes('http://127.0.0.66:8000'))
}
