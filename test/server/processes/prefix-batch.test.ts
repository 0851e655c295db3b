// Conversations that processes tell each other of: what is taken out is what was put in, the oldest left out where there are too many.
import fc from 'fast-check'
import t from 'tap'
import { eachPrefix, maxHashes, PrefixBatch } from '../../../server/processes/prefix-batch.ts'

const chain = (length: number, first: number): number[] => Array.from({ length }, (_, i) => first + i)

t.test('any conversations, whatever their number', async t => {
  const lengths = fc.array(fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(4096)), { maxLength: 40, size: 'max' })
  fc.assert(fc.property(lengths, lengths => {
    const batch = new PrefixBatch()
    const put = lengths.map((length, i): [number, number[]] => [i + 1, chain(length, i * 10_000)])
    for (const [worker, hashes] of put) batch.add(worker, hashes)
    const told = put.filter(([, hashes]) => hashes.length > 0)
    const taken = batch.take()
    const got = taken === undefined ? [] : [...eachPrefix(taken)]
    if (JSON.stringify(got) !== JSON.stringify(told.slice(batch.dropped))) throw new Error('others')
    const total = (list: typeof told): number => list.reduce((sum, [, hashes]) => sum + hashes.length, 0)
    if (total(got) > maxHashes) throw new Error('too many')
    if (batch.dropped > 0 && total(told.slice(batch.dropped - 1)) <= maxHashes) throw new Error('too few')
    if (batch.take() !== undefined) throw new Error('not empty')
  }))
  t.pass('no counterexample')
})

t.test('a batch that nobody takes does not grow', async t => {
  const batch = new PrefixBatch()
  for (let i = 0; i < 100_000; i++) batch.add(1, chain(16, i))
  const taken = batch.take()
  t.equal(taken?.hashes.length, maxHashes)
  t.equal(batch.dropped, 100_000 - maxHashes / 16)
})
