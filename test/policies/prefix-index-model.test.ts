// Whatever is inserted and removed, the index keeps its bounds and agrees with a plain list of entries.
import fc from 'fast-check'
import t from 'tap'
import type { Worker } from '../../core/worker.ts'
import type { PrefixChain } from '../../policies/policy.ts'
import { PrefixIndex } from '../../policies/prefix-index.ts'
import { fleet, nth } from './setup.ts'

interface Entry { worker: Worker, hash: number, bytes: number, before: number | undefined }

/** The same rules, told plainly: entries in one list, least recently sent first. */
class Naive {
  entries: Entry[] = []
  readonly maxBytes: number
  readonly maxEntries: number

  constructor (maxBytes: number, maxEntries: number) {
    this.maxBytes = maxBytes
    this.maxEntries = maxEntries
  }

  of (worker: Worker): Entry[] {
    return this.entries.filter(entry => entry.worker === worker)
  }

  bytes (worker: Worker): number {
    return this.of(worker).reduce((sum, entry) => sum + entry.bytes, 0)
  }

  has (worker: Worker, hash: number): boolean {
    return this.entries.some(entry => entry.worker === worker && entry.hash === hash)
  }

  /** Different blocks known to follow one. */
  after (hash: number): number {
    return new Set(this.entries.filter(({ before }) => before === hash).map(entry => entry.hash)).size
  }

  insert (worker: Worker, { hashes, ends }: PrefixChain, room = Infinity): void {
    const bytes = Math.min(room, this.maxBytes)
    const fits = hashes.filter((_, i) => i < this.maxEntries && nth(ends, i) <= bytes).length
    const drop = (): void => { this.entries.splice(this.entries.findIndex(entry => entry.worker === worker), 1) }
    if (fits > 0) while (this.bytes(worker) > bytes) drop()
    for (let i = fits - 1; i >= 0; i--) {
      const hash = nth(hashes, i)
      this.entries = this.entries.filter(entry => entry.worker !== worker || entry.hash !== hash)
      this.entries.push({ worker, hash, bytes: nth(ends, i) - (ends[i - 1] ?? 0), before: hashes[i - 1] })
      while (this.bytes(worker) > bytes) drop()
      while (this.entries.length > this.maxEntries) this.entries.shift()
    }
  }

  remove (worker: Worker): void {
    this.entries = this.entries.filter(entry => entry.worker !== worker)
  }
}

/** Chains out of a small tree, so that beginnings are shared: a path of branch numbers, its hashes spread over 53 bits, its blocks of several sizes. */
const chain: fc.Arbitrary<PrefixChain> = fc.array(fc.nat(2), { maxLength: 9 }).map(path => {
  const hashes: number[] = []
  const ends: number[] = []
  let at = 1
  let end = 0
  for (const branch of path) {
    at = 3 * at + branch
    end += 10 + at % 4
    hashes.push((at * 0x5_deec_e66d) % Number.MAX_SAFE_INTEGER)
    ends.push(end)
  }
  return { hashes, ends, length: end + 5 }
})

const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ worker: fc.nat(4), chain, room: fc.constantFrom(undefined, 30, 60) }) },
  { weight: 1, arbitrary: fc.record({ worker: fc.nat(4) }) }
)

t.test('any sequence', async t => {
  let dropped = 0
  fc.assert(fc.property(fc.array(step, { maxLength: 80, size: 'max' }), fc.integer({ min: 1, max: 150 }), fc.integer({ min: 1, max: 40 }), fc.integer(), (steps, maxBytes, maxEntries, salt) => {
    const workers = fleet(5)
    const index = new PrefixIndex({ maxBytes, maxEntries, salt })
    const naive = new Naive(maxBytes, maxEntries)
    const seen = new Set<number>()
    for (const step of steps) {
      const worker = nth(workers, step.worker)
      if ('chain' in step) {
        const before = naive.entries.length
        naive.insert(worker, step.chain, step.room)
        index.insert(worker, step.chain, step.room)
        for (const hash of step.chain.hashes) seen.add(hash)
        if (naive.entries.length < before + step.chain.hashes.length) dropped++
        const held = step.chain.hashes.filter(hash => naive.has(worker, hash)).length
        if (index.depthOf(worker, step.chain.hashes) !== held) throw new Error('depth for one worker')
        const any = step.chain.hashes.filter(hash => naive.entries.some(entry => entry.hash === hash)).length
        if (index.depth(step.chain.hashes) !== any) throw new Error('depth for any worker')
      } else {
        naive.remove(worker)
        index.remove(worker)
        if (index.size(worker) !== 0) throw new Error('removed worker has entries')
      }
      if (index.total !== naive.entries.length || index.total > maxEntries) throw new Error(`${index.total} entries`)
      for (const worker of workers) {
        if (index.bytes(worker) > maxBytes || index.bytes(worker) !== naive.bytes(worker)) throw new Error('bytes')
        if (index.size(worker) !== naive.of(worker).length) throw new Error('size')
        for (const hash of seen) if (index.holds(worker, hash) !== naive.has(worker, hash)) throw new Error('membership')
      }
      for (const hash of seen) {
        if (index.continuations(hash) !== naive.after(hash)) throw new Error('continuations')
        if (index.holders(hash) !== naive.entries.filter(entry => entry.hash === hash).length) throw new Error('holders')
      }
      const ends = new Set(naive.entries.map(entry => entry.hash))
      for (const { before } of naive.entries) if (before !== undefined) ends.delete(before)
      if (index.conversations !== ends.size) throw new Error(`${index.conversations} conversations, not ${ends.size}`)
      for (const hash of seen) if (index.has(hash) !== naive.entries.some(entry => entry.hash === hash)) throw new Error('a block nobody holds')
    }
  }), { seed: 31, numRuns: 200 })
  t.ok(dropped > 100, `entries were replaced or dropped ${dropped} times`)
})

t.test('the end of a conversation is forgotten before its beginning', async t => {
  const [worker, other] = fleet(2)
  if (worker === undefined || other === undefined) throw new Error('no fleet')
  const index = new PrefixIndex({ maxBytes: 100, maxEntries: 6 })
  const ends = [10, 20, 30, 40]
  index.insert(worker, { hashes: [1, 2, 3, 4], ends, length: 40 })
  index.insert(other, { hashes: [1, 2, 3, 5], ends, length: 40 })
  t.same([1, 2, 3, 4].map(hash => index.holds(worker, hash)), [true, true, false, false])
  t.same([1, 2, 3, 5].map(hash => index.holds(other, hash)), [true, true, true, true])
})

t.test('a conversation larger than the bound is remembered as far as it fits', async t => {
  const [worker] = fleet(1)
  if (worker === undefined) throw new Error('no fleet')
  const index = new PrefixIndex({ maxBytes: 35, maxEntries: 100 })
  const hashes = [1, 2, 3, 4, 5]
  index.insert(worker, { hashes, ends: [10, 20, 30, 40, 50], length: 50 })
  t.equal(index.depthOf(worker, hashes), 3)
  t.equal(index.bytes(worker), 30)
})

t.test('it grows past its initial size and keeps everything', async t => {
  const workers = fleet(7)
  const index = new PrefixIndex({ maxBytes: 2 ** 25, maxEntries: 50_000 })
  const chains = Array.from({ length: 3000 }, (_, i) => Array.from({ length: 10 }, (_, j) => j < 3 ? j + 1 : 1000 + i * 10 + j))
  const ends = Array.from({ length: 10 }, (_, j) => 256 * (j + 1))
  chains.forEach((hashes, i) => index.insert(nth(workers, i % 7), { hashes, ends, length: 2560 }))
  t.equal(index.total, 3000 * 7 + 7 * 3)
  t.ok(chains.every((hashes, i) => index.depthOf(nth(workers, i % 7), hashes) === 10))
  for (const worker of workers) index.remove(worker)
  t.equal(index.total, 0)
  t.notOk(chains.some(hashes => index.depth(hashes) > 0))
})
