// Workers whose data-parallel size nobody wrote down are stated when they have told it, and not before; who cannot tell has the fallback.
import t from 'tap'
import type { Test } from 'tap'
import { setImmediate } from 'node:timers/promises'
import type { WorkerSpec } from '../../core/worker.ts'
import { learnedRanks } from '../../discovery/learned-ranks.ts'
import type { StaticSource } from '../../discovery/static.ts'
import { poolSpecs } from '../../discovery/static.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

const refused = (): Error => Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })

interface Learned {
  readonly clock: ManualClock
  readonly source: StaticSource
  /** What servers tell: a number, nobody listening, or a failure. */
  readonly told: Map<string, number | Error>
  readonly asked: string[]
  /** The list last stated. */
  readonly list: () => readonly WorkerSpec[]
  readonly lists: () => number
}

async function learned (t: Test, specs: readonly WorkerSpec[], told: Record<string, number | Error>, stated?: (list: readonly WorkerSpec[]) => readonly WorkerSpec[]): Promise<Learned> {
  const clock = new ManualClock()
  const tells = new Map(Object.entries(told))
  const asked: string[] = []
  const stateds: Array<readonly WorkerSpec[]> = []
  const list = (): readonly WorkerSpec[] => stateds.at(-1) ?? []
  const source = learnedRanks(specs, {
    clock,
    fallback: 3,
    ...(stated === undefined ? {} : { stated: () => stated(list()) }),
    async engines (url) {
      asked.push(url)
      const answer = tells.get(url) ?? 0
      if (typeof answer !== 'number') throw answer
      return answer
    }
  })
  await source.start(list => { stateds.push(list) })
  t.teardown(() => source.stop())
  await setImmediate()
  return { clock, source, told: tells, asked, list, lists: () => stateds.length }
}

const at = (url: string, more: object = {}): WorkerSpec => ({ url, role: 'decode', ...more })

t.test('what is written down needs no question', async t => {
  const specs = [at('http://a', { ranks: 2 }), at('http://b', { rank: 1 })]
  const { list, asked } = await learned(t, specs, {})
  t.same([list(), asked], [specs, []])
})

t.test('those that tell, and those that tell nothing', async t => {
  const { list, source } = await learned(t, [at('http://a'), at('http://b')], { 'http://a': 4, 'http://b': 0 })
  t.same(list(), [at('http://a', { ranks: 4 }), at('http://b', { ranks: 3 })])
  t.equal(source.health().detail, '2 listed')
})

t.test('one that is not up yet is stated when it comes up', async t => {
  const { list, told, clock, source, asked } = await learned(t, [at('http://a'), at('http://b')], { 'http://a': 1, 'http://b': refused() })
  t.same(list(), [at('http://a', { ranks: 1 })])
  t.equal(source.health().detail, '2 listed, 1 not reached yet')
  await clock.advance(60_000)
  t.same(list(), [at('http://a', { ranks: 1 })], 'however long that takes')
  t.ok(asked.length < 25, `asked ${asked.length} times in a minute`)
  told.set('http://b', 2)
  await clock.advance(5000)
  t.same(list(), [at('http://a', { ranks: 1 }), at('http://b', { ranks: 2 })])
  t.equal(clock.pending, 0)
})

t.test('one that is there and does not answer has the fallback after a while, until it answers', async t => {
  const { list, told, clock } = await learned(t, [at('http://a')], { 'http://a': new Error('/metrics answered 503') })
  t.same(list(), [])
  await clock.advance(16_000)
  t.same(list(), [at('http://a', { ranks: 3 })])
  told.set('http://a', 2)
  await clock.advance(5000)
  t.same(list(), [at('http://a', { ranks: 2 })])
})

t.test('one that came back may be another', async t => {
  const { list, told, source, lists } = await learned(t, [at('http://a')], { 'http://a': 2 })
  const before = lists()
  source.refresh?.('http://a')
  source.refresh?.('http://unknown')
  await setImmediate()
  t.equal(lists(), before, 'nothing changed')
  told.set('http://a', 5)
  source.refresh?.('http://a')
  await setImmediate()
  t.same(list(), [at('http://a', { ranks: 5 })])
})

t.test('another list: those that are on both are not asked again', async t => {
  const { list, source, asked, clock } = await learned(t, [at('http://a'), at('http://b')], { 'http://a': 2, 'http://b': refused(), 'http://c': 1 })
  source.restate([at('http://a', { bootstrapPort: 1 }), at('http://c')])
  await setImmediate()
  t.same(list(), [at('http://a', { bootstrapPort: 1, ranks: 2 }), at('http://c', { ranks: 1 })])
  await clock.advance(60_000)
  t.same(asked, ['http://a', 'http://b', 'http://c'])
})

t.test('what somebody took off the list by hand stays off', async t => {
  const { list, told, source } = await learned(t, [at('http://a'), at('http://b')], { 'http://a': 2, 'http://b': refused() }, list => list.filter(spec => spec.url !== 'http://a'))
  told.set('http://b', 1)
  told.set('http://a', 9)
  source.refresh?.('http://a')
  source.refresh?.('http://b')
  await setImmediate()
  t.same(list(), [at('http://b', { ranks: 1 })])
})

t.test('nothing is stated any more after the end', async t => {
  const { source, told, clock, lists } = await learned(t, [at('http://a')], { 'http://a': refused() })
  await source.stop()
  told.set('http://a', 2)
  const before = lists()
  await clock.advance(60_000)
  t.equal(lists(), before)
})

t.test('lists of two pools', async t => {
  t.same(poolSpecs({ prefill: ['http://p:1 8998', 'http://p:2@1', 'http://p:3/base none'], decode: ['http://d:1', 'http://d:2@0'], prefillDataParallelSize: undefined, decodeDataParallelSize: 4 }), [
    { url: 'http://p:1', role: 'prefill', bootstrapPort: 8998 }, { url: 'http://p:2', role: 'prefill', rank: 1 }, { url: 'http://p:3/base', role: 'prefill' },
    { url: 'http://d:1', role: 'decode', ranks: 4 }, { url: 'http://d:2', role: 'decode', rank: 0 }
  ])
  t.throws(() => poolSpecs({ prefill: ['http://p:1 70000'], decode: [], prefillDataParallelSize: undefined, decodeDataParallelSize: undefined }))
})
