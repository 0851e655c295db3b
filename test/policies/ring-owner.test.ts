// The ring finds what a search through all its points finds, equal points included, and walks on in ring order.
import fc from 'fast-check'
import t from 'tap'
import { HashRing, pointsPerWorker } from '../../policies/hash-ring.ts'
import { ringHash } from '../../policies/ring-hash.ts'
import type { Worker } from '../../core/worker.ts'
import { fleet } from './setup.ts'

interface Point { value: bigint, worker: Worker, inserted: number }

const whole = ({ hi, lo }: { hi: number, lo: number }): bigint => (BigInt(hi) << 32n) | BigInt(lo)

/** The points as a sorted list, where of equal ones only the last inserted counts. */
function naive (workers: readonly Worker[], points: (worker: Worker) => Uint32Array): Point[] {
  const byValue = new Map<bigint, Point>()
  let inserted = 0
  for (const worker of workers) {
    const own = points(worker)
    for (let i = 0; i < own.length; i += 2) {
      const value = whole({ hi: own[i] ?? 0, lo: own[i + 1] ?? 0 })
      byValue.set(value, { value, worker, inserted: inserted++ })
    }
  }
  return [...byValue.values()].sort((a, b) => a.value < b.value ? -1 : 1)
}

const ownerOf = (points: readonly Point[], value: bigint): Worker | undefined => (points.find(point => point.value >= value) ?? points[0])?.worker

t.test('160 points a worker, each at the ring hash of <id>:<i>', async t => {
  const workers = fleet(5)
  const ring = new HashRing(workers)
  const points = naive(workers, worker => new Uint32Array(Array.from({ length: pointsPerWorker }, (_, i) => {
    const { hi, lo } = ringHash(`${worker.id}:${i}`)
    return [hi, lo]
  }).flat()))
  t.equal(pointsPerWorker, 160)
  for (let i = 0; i < 2000; i++) {
    const hash = ringHash(`key ${i}`)
    if (ring.owner(hash) !== ownerOf(points, whole(hash))) t.fail(`key ${i}`)
  }
  for (const worker of workers) {
    const at = ringHash(`${worker.id}:17`)
    t.equal(ring.owner(at), worker, 'a point belongs to its own worker')
  }
})

t.test('with points that often coincide', async t => {
  const workers = fleet(4)
  const half = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0xfffffffd, max: 0xffffffff }), fc.integer({ min: 0, max: 0xffffffff }))
  const own = fc.array(half, { minLength: 2 * pointsPerWorker, maxLength: 2 * pointsPerWorker }).map(halves => new Uint32Array(halves))
  const keys = fc.array(fc.record({ hi: half, lo: half }), { minLength: 20, maxLength: 20 })
  fc.assert(fc.property(fc.array(own, { minLength: 4, maxLength: 4 }), keys, fc.subarray(workers, { minLength: 1 }), (points, keys, some) => {
    const pointsOf = (worker: Worker): Uint32Array => points[workers.indexOf(worker)] ?? new Uint32Array()
    const ring = new HashRing(workers, pointsOf)
    const all = naive(workers, pointsOf)
    const fewer = naive(some, pointsOf)
    for (const key of keys) {
      if (ring.owner(key) !== ownerOf(all, whole(key))) return false
      // Choosing among some workers is a ring of only those.
      if (ring.owner(key, worker => some.includes(worker)) !== ownerOf(fewer, whole(key))) return false
    }
    return true
  }), { seed: 12, numRuns: 60 })
  t.pass('no counterexample')
})

t.test('nobody accepted, and nobody there', async t => {
  t.equal(new HashRing(fleet(3)).owner({ hi: 1, lo: 1 }, () => false), undefined)
  t.equal(new HashRing([]).owner({ hi: 1, lo: 1 }), undefined)
})
