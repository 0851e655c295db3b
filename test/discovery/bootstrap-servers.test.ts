// The engines behind Mooncake's bootstrap servers are known, by rank, and known anew when a worker came back.
import t from 'tap'
import { WorkerRegistry } from '../../core/registry.ts'
import type { Worker } from '../../core/worker.ts'
import { BootstrapDirectory } from '../../discovery/bootstrap.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

function directory (): { clock: ManualClock, registry: WorkerRegistry, directory: BootstrapDirectory, told: Map<string, string[] | Error>, asked: string[] } {
  const clock = new ManualClock()
  const registry = new WorkerRegistry()
  const told = new Map<string, string[] | Error>()
  const asked: string[] = []
  const directory = new BootstrapDirectory({
    registry,
    clock,
    random: () => 0.5,
    addressOf: worker => worker.role === 'prefill' ? `${worker.url}:boot` : undefined,
    client: {
      async bootstrap (address) {
        asked.push(address)
        const answer = told.get(address) ?? new Error('refused')
        if (answer instanceof Error) throw answer
        return new Map(answer.map((engine, rank) => [String(rank), engine]))
      }
    }
  })
  return { clock, registry, directory, told, asked }
}

t.test('engines by rank, of prefill workers only', async t => {
  const { clock, registry, directory: known, told, asked } = directory()
  known.start()
  t.teardown(() => known.stop())
  told.set('http://p:boot', ['e0', 'e1'])
  registry.apply('test', [{ url: 'http://p', role: 'prefill', ranks: 2 }, { url: 'http://d', role: 'decode' }])
  await clock.advance(0)
  t.same(registry.list().map(worker => known.engineOf(worker)), ['e0', 'e1', undefined])
  t.same(asked, ['http://p:boot'])
  told.set('http://q:boot', ['only'])
  registry.apply('test', [{ url: 'http://q', role: 'prefill' }])
  await clock.advance(0)
  t.same(registry.list().map(worker => known.engineOf(worker)), ['only'], 'one that has no ranks is its first')
})

t.test('asked until it tells, with growing pauses; then now and then', async t => {
  const { clock, registry, directory: known, told, asked } = directory()
  registry.apply('test', [{ url: 'http://p', role: 'prefill' }])
  known.start()
  t.teardown(() => known.stop())
  await clock.advance(60_000)
  t.ok(asked.length >= 8 && asked.length <= 10, `${asked.length} times in a minute`)
  told.set('http://p:boot', ['a'])
  await clock.advance(10_000)
  const [worker] = registry.list() as [Worker]
  t.equal(known.engineOf(worker), 'a')
  told.set('http://p:boot', ['b'])
  await clock.advance(31_000)
  t.equal(known.engineOf(worker), 'b', 'a restart that nobody noticed')
  told.set('http://p:boot', new Error('refused'))
  await clock.advance(31_000)
  t.equal(known.engineOf(worker), 'b', 'what is known stays while nobody says otherwise')
})

t.test('a worker that went down has no engine; one that came back is asked at once', async t => {
  const { clock, registry, directory: known, told } = directory()
  registry.apply('test', [{ url: 'http://p', role: 'prefill' }])
  known.start()
  t.teardown(() => known.stop())
  told.set('http://p:boot', ['a'])
  await clock.advance(0)
  const [worker] = registry.list() as [Worker]
  registry.setState(worker, 'ready', '')
  await clock.advance(0)
  told.set('http://p:boot', ['b'])
  registry.suspect(worker)
  await clock.advance(0)
  t.equal(known.engineOf(worker), 'b', 'trouble on a connection is reason enough to ask')
  registry.setState(worker, 'unhealthy', '')
  t.equal(known.engineOf(worker), undefined)
  told.set('http://p:boot', ['c'])
  registry.setState(worker, 'ready', '')
  await clock.advance(0)
  t.equal(known.engineOf(worker), 'c')
  registry.apply('test', [])
  t.equal(known.engineOf(worker), undefined)
  known.stop()
  t.equal(clock.pending, 0)
})
