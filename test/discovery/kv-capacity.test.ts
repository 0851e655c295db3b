// How large a worker's KV cache is comes from its own metrics, asked for once when it becomes ready, for policies that want to know.
import t from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'
import { KvCapacity } from '../../discovery/kv-capacity.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'

t.test('asked once a server and each time it becomes ready; who does not tell stays unknown', async t => {
  const registry = new WorkerRegistry()
  registry.apply('test', [{ url: 'http://one' }, { url: 'http://ranks', ranks: 2 }, { url: 'http://silent' }])
  const asked: string[] = []
  let blocks = 100
  const capacity = new KvCapacity({
    registry,
    client: {
      async kvTokens (url) {
        asked.push(url)
        if (url === 'http://silent') throw new Error('404')
        return new Map(url === 'http://one' ? [['0', blocks]] : [['0', 7], ['1', 8]])
      }
    }
  })
  const [one, zero, first, silent] = registry.list()
  if (one === undefined || zero === undefined || first === undefined || silent === undefined) throw new Error('no fleet')
  registry.setState(one, 'ready', 'test')
  capacity.start()
  for (const worker of [zero, first, silent]) registry.setState(worker, 'ready', 'test')
  await until('all have told', () => first.kvTokens !== undefined && one.kvTokens !== undefined)
  t.same([one, zero, first, silent].map(worker => worker.kvTokens), [100, 7, 8, undefined])
  t.same(asked.sort(), ['http://one', 'http://ranks', 'http://silent'])
  blocks = 200
  registry.setState(one, 'unhealthy', 'test')
  registry.setState(one, 'ready', 'test')
  await until('it is asked again', () => one.kvTokens === 200)
  capacity.stop()
  registry.setState(one, 'unhealthy', 'test')
  registry.setState(one, 'ready', 'test')
  t.equal(asked.length, 4)
})

t.test('a fleet that becomes ready at once is asked little by little', async t => {
  const registry = new WorkerRegistry()
  registry.apply('test', Array.from({ length: 100 }, (_, i) => ({ url: `http://worker-${i}` })))
  const answers: Array<() => void> = []
  let asked = 0
  const capacity = new KvCapacity({
    registry,
    client: {
      async kvTokens () {
        asked++
        await new Promise<void>(resolve => { answers.push(resolve) })
        return new Map([['0', 5]])
      }
    }
  })
  capacity.start()
  for (const worker of registry.list()) registry.setState(worker, 'ready', 'test')
  t.equal(asked, 16)
  await until('all have told', () => {
    t.ok(answers.length <= 16)
    for (const answer of answers.splice(0)) answer()
    return registry.list().every(worker => worker.kvTokens === 5)
  })
  t.equal(asked, 100)
})

for (const [policy, wanted] of [['cache_aware', 48 * 32], ['sticky_until_saturated', 48 * 32], ['round_robin', undefined]] as const) {
  t.test(`from a worker's page, ${policy}`, async t => {
    const [worker] = await startWorkers(t, 1, { kvBlocks: 48, blockSize: 32 })
    const { router } = await startRouter(t, { workerUrls: [worker?.url ?? ''], policy })
    if (wanted !== undefined) await until('it has told', () => router.workers.list().every(one => one.kvTokens !== undefined))
    t.same(router.workers.list().map(one => one.kvTokens), [wanted])
  })
}
