// Whatever is asked of it, the cache never has more blocks than it was given, and it evicts the least recently used.
import fc from 'fast-check'
import t from 'tap'
import { BlockCache, type Block } from '../../simulator/block-cache.ts'
import { Engine, VirtualClock } from '../../simulator/index.ts'

t.test('idle blocks go in the order of their last use, the deepest of a prompt first', async t => {
  const cache = new BlockCache(4)
  const fill = (...hashes: number[]): Block[] => {
    t.equal(cache.take(hashes.length), true)
    return hashes.flatMap(hash => cache.name(hash) ?? [])
  }
  cache.release(fill(1, 2), 0)
  cache.release(fill(3, 4), 0)
  const found: Block[] = []
  t.equal(cache.match([1], 1, found), 1)
  for (const block of found) cache.hold(block)
  cache.release(found, 0)
  const kept = (): number[] => [1, 2, 3, 4].filter(hash => cache.has(hash))
  t.equal(cache.take(1), true)
  t.same(kept(), [1, 3, 4], '2 is the oldest')
  t.equal(cache.take(1), true)
  t.same(kept(), [1, 3], '4 was given back before 3')
  t.equal(cache.take(3), false, 'two are in use')
  t.same(kept(), [1, 3], 'a take that fails evicts nothing')
  t.equal(cache.take(2), true)
  t.same(kept(), [])
})

t.test('any load stays within blocks and sequences, and all of it ends', async t => {
  const request = fc.record({
    at: fc.integer({ min: 0, max: 200 }),
    family: fc.integer({ min: 0, max: 3 }),
    tokens: fc.integer({ min: 1, max: 60 }),
    maxTokens: fc.integer({ min: 0, max: 40 }),
    abortAfter: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined })
  })
  let preemptions = 0
  let hits = 0
  fc.assert(fc.property(fc.array(request, { maxLength: 40 }), fc.integer({ min: 8, max: 24 }), fc.integer({ min: 1, max: 6 }), (requests, kvBlocks, maxNumSeqs) => {
    const clock = new VirtualClock()
    const engine = new Engine({ blockSize: 4, kvBlocks, maxNumSeqs, maxNumBatchedTokens: 16, prefillRate: 1000 }, clock)
    let open = 0
    const check = (): void => {
      const { running, kvUsage } = engine.stats()
      if (running > maxNumSeqs) throw new Error(`${running} running`)
      if (kvUsage > 1 || kvUsage < 0) throw new Error(`usage ${kvUsage}`)
    }
    for (const { at, family, tokens, maxTokens, abortAfter } of requests) {
      if (tokens + 1 > kvBlocks * 4) continue
      clock.after(at, () => {
        open++
        const prompt = Array.from({ length: tokens }, (_, index) => family * 1000 + index)
        const handle = engine.submit({ prompt, maxTokens, onToken: check, onFinished: () => { open--; check() } })
        if (abortAfter !== undefined) clock.after(abortAfter, () => handle.abort())
      })
    }
    clock.run()
    const stats = engine.stats()
    preemptions += stats.preemptions
    hits += stats.prefixHits
    return open === 0 && engine.load === 0 && stats.kvUsage === 0 && engine.reset()
  }), { numRuns: 200, seed: 7 })
  t.ok(preemptions > 0, 'some runs were short of blocks')
  t.ok(hits > 0, 'some runs shared prefixes')
})
