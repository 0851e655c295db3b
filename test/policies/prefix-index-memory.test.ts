// 20,000 different prompts of 4 KiB are remembered in well under 60 MB.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { PrefixIndex } from '../../policies/prefix-index.ts'
import { fleet, nth, seeded } from './setup.ts'

/** Inserts 20,000 prompts of 16 blocks, no two alike, into an index of its own and measures what it takes up. */
function measure (maxEntries: number, memory: () => number): { megabytes: number, entries: number } {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  // one collection does not always take all garbage: the least of a few
  const used = (): number => Math.min(...Array.from({ length: 4 }, () => {
    gc()
    return memory()
  }))
  const workers = fleet(8)
  const random = seeded(1)
  const ends = Array.from({ length: 16 }, (_, i) => 256 * (i + 1))
  const index = new PrefixIndex({ maxBytes: 2 ** 25, maxEntries })
  const before = used()
  for (let i = 0; i < 20_000; i++) {
    index.insert(nth(workers, i % 8), { hashes: ends.map(() => Math.floor(random() * 2 ** 21) * 2 ** 32 + Math.floor(random() * 2 ** 32)), ends, length: 4096 })
  }
  return { megabytes: (used() - before) / 1e6, entries: index.total }
}

t.test('what is allocated, with room for no more', async t => {
  const { megabytes, entries } = measure(320_000, () => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers)
  t.equal(entries, 320_000)
  t.ok(megabytes > 10 && megabytes < 30, `${megabytes.toFixed(1)} MB`)
})

t.test('what is taken up, with room for the default of 2,000,000 entries', async t => {
  const { megabytes, entries } = measure(2_000_000, () => process.memoryUsage.rss())
  t.equal(entries, 320_000)
  t.ok(megabytes < 60, `${megabytes.toFixed(1)} MB`)
})
