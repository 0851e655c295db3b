// Whatever lists and watches do between each other, the copy is never older than the last list, what was seen to go does not come back, and
// in the end the copy is as the store is.
import fc from 'fast-check'
import t from 'tap'
import { Copy } from '../../discovery/kubernetes/copy.ts'
import type { KubeObject } from '../../discovery/kubernetes/objects.ts'
import { compareVersions } from '../../discovery/kubernetes/resource-version.ts'
import { Store } from './kubernetes-store.ts'

const read = (object: KubeObject): { uid: string, version: string } => ({ uid: object.metadata?.uid ?? '', version: object.metadata?.resourceVersion ?? '' })

type Step =
  | { readonly do: 'put' | 'delete', readonly uid: number }
  | { readonly do: 'deliver', readonly count: number }
  | { readonly do: 'begin' | 'end' | 'drop' | 'break' | 'lose' | 'bookmark' }

const steps = fc.array(fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('put' as const, 'delete' as const), uid: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('deliver' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('begin' as const, 'end' as const, 'end' as const, 'drop' as const, 'break' as const, 'lose' as const, 'bookmark' as const) }) }
), { maxLength: 60, size: 'max' })

t.test('any order of changes, events, lists, broken and lying watches', async t => {
  let missedEver = 0
  fc.assert(fc.property(steps, (all: Step[]) => {
    const store = new Store()
    const copy = new Copy(read)
    /** uids are never used again: a pod of the same name is another one. */
    const alive = new Map<number, string>()
    let made = 0
    /** Version up to which the watch has delivered; undefined before the first list. */
    let delivered: number | undefined
    let snapshot: { objects: KubeObject[], version: number } | undefined
    /** Version of the last list. */
    let floor = 0
    const seen = new Set<string>()
    const gone = new Set<string>()
    const check = (): void => {
      const now = new Map([...copy.items()].map(({ uid, version }) => [uid, Number(version)]))
      for (let n = 0; n < made; n++) {
        const uid = `u${n}`
        const version = now.get(uid)
        const last = store.history.findLast(change => change.version <= floor && change.object.metadata?.uid === uid)
        if (version === undefined) {
          if (last !== undefined && last.type !== 'DELETED' && !store.history.some(change => change.version > floor && change.type === 'DELETED' && change.object.metadata?.uid === uid)) throw new Error(`${uid} is missing`)
          if (seen.has(uid)) gone.add(uid)
          continue
        }
        if (gone.has(uid)) throw new Error(`${uid} came back`)
        if (last !== undefined && version < last.version) throw new Error(`${uid} is older than the list`)
        seen.add(uid)
      }
    }
    const deliver = (count: number): void => {
      for (const { version, type, object } of store.history) {
        if (count === 0) return
        if (delivered === undefined || version <= delivered) continue
        copy.take(type, object)
        check()
        delivered = version
        count--
      }
    }
    const list = (): void => {
      if (snapshot === undefined) return
      const { missed } = copy.endList(snapshot.objects, String(snapshot.version))
      floor = snapshot.version
      snapshot = undefined
      // as the reflector does: a watch that missed something is opened anew
      if (missed > 0 || delivered === undefined) delivered = Number(copy.version)
      if (missed > 0) missedEver++
      check()
    }
    for (const step of all) {
      switch (step.do) {
        case 'put':
          if (!alive.has(step.uid)) alive.set(step.uid, `u${made++}`)
          store.put(alive.get(step.uid) ?? '')
          break
        case 'delete':
          store.delete(alive.get(step.uid) ?? '')
          alive.delete(step.uid)
          break
        case 'deliver': deliver(step.count); break
        case 'begin':
          copy.beginList()
          snapshot = { objects: [...store.objects.values()], version: store.version }
          break
        case 'end': list(); break
        case 'drop':
          copy.dropList()
          snapshot = undefined
          break
        case 'break':
          if (delivered !== undefined) delivered = Number(copy.version)
          break
        case 'lose':
          // the watch skips what it should have delivered
          if (delivered !== undefined) delivered = store.version
          break
        case 'bookmark':
          if (delivered === store.version) copy.take('BOOKMARK', { metadata: { resourceVersion: String(store.version) } })
          break
      }
    }
    const truth = [...store.objects.values()].map(read)
    copy.beginList()
    snapshot = { objects: [...store.objects.values()], version: store.version }
    list()
    deliver(Infinity)
    const sorted = (items: Iterable<{ uid: string }>): string => JSON.stringify([...items].sort((a, b) => a.uid < b.uid ? -1 : 1))
    if (sorted(copy.items()) !== sorted(truth)) throw new Error(`${sorted(copy.items())} is not ${sorted(truth)}`)
    if (compareVersions(copy.version ?? '', String(store.version)) < 0) throw new Error(`at ${copy.version} after a list at ${store.version}`)
  }), { numRuns: 3000 })
  t.ok(missedEver > 100, 'lies were found')
})

t.test('without losses the watch alone keeps the copy true, and no list finds anything missing', async t => {
  fc.assert(fc.property(fc.array(fc.record({ do: fc.constantFrom('put' as const, 'delete' as const, 'list' as const), uid: fc.nat(5) }), { maxLength: 60, size: 'max' }), all => {
    const store = new Store()
    const copy = new Copy(read)
    copy.beginList()
    copy.endList([], String(store.version))
    let at = 0
    for (const step of all) {
      if (step.do === 'list') {
        copy.beginList()
        const found = copy.endList([...store.objects.values()], String(store.version))
        if (found.missed > 0 || found.backwards) throw new Error('nothing was missed')
      } else store[step.do](`u${step.uid}`)
      for (; at < store.history.length; at++) {
        const change = store.history[at]
        if (change !== undefined) copy.take(change.type, change.object)
      }
      if (copy.size !== store.objects.size) throw new Error('not the same')
    }
  }))
  t.pass('for all of them')
})

t.test('a store that was put back to an earlier state', async t => {
  const copy = new Copy(read)
  const object = (uid: string, version: number): KubeObject => ({ metadata: { uid, resourceVersion: String(version) } })
  copy.beginList()
  copy.endList([object('a', 500), object('b', 501)], '510')
  copy.beginList()
  t.match(copy.endList([object('a', 90)], '100'), { backwards: true, missed: 2 })
  t.same([...copy.items()], [{ uid: 'a', version: '90' }])
  t.equal(copy.version, '100')
  t.equal(copy.take('MODIFIED', object('a', 101)), true, 'events after it count')
})

t.test('versions', async t => {
  t.ok(compareVersions('9', '10') < 0)
  t.ok(compareVersions('10', '9') > 0)
  t.equal(compareVersions('12345678901234567890123', '12345678901234567890123'), 0)
  t.ok(compareVersions('12345678901234567890124', '12345678901234567890123') > 0, 'longer than numbers can be')
  t.ok(Number.isNaN(compareVersions('a', '1')))
  t.ok(Number.isNaN(compareVersions('1', '')))
})
