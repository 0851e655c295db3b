// Blocks end at the same places in every conversation; hashes are well spread safe integers, the same on every machine.
import t from 'tap'
import { hashBytes, maxBlocks, prefixChain } from '../../openai/prefix-chain.ts'

t.test('whole blocks only, finer at the beginning', t => {
  const lengths: [number, number][] = [[0, 0], [255, 0], [256, 1], [8_191, 31], [8_192, 32], [9_215, 32], [9_216, 33], [65_535, 87], [65_536, 88], [69_631, 88], [69_632, 89]]
  for (const [length, blocks] of lengths) {
    const { hashes, ends, length: told } = prefixChain(Buffer.alloc(length), 0)
    t.same([hashes.length, ends.length, told], [blocks, blocks, length])
    t.ok((ends.at(-1) ?? 0) <= length)
  }
  const { ends } = prefixChain(Buffer.alloc(200_000), 0)
  t.same(ends.slice(0, 2), [256, 512])
  const sizes = ends.map((end, i) => end - (ends[i - 1] ?? 0))
  t.same(sizes, [...Array(32).fill(256), ...Array(56).fill(1_024), ...Array(sizes.length - 88).fill(4_096)])
  t.end()
})

t.test('bounded', t => {
  const { hashes, ends, length } = prefixChain(Buffer.alloc(20_000_000), 0)
  t.equal(hashes.length, maxBlocks)
  t.equal(ends.at(-1), 65_536 + 4_008 * 4_096)
  t.equal(length, 20_000_000, 'the length stays true')
  t.end()
})

t.test('the same on every machine', t => {
  const bytes = Buffer.from('Aé☃ 0123456789'.repeat(60))
  t.same(prefixChain(bytes, 'seed').hashes, [102264571842006, 975827917552940, 4618909929012734])
  t.equal(hashBytes(Buffer.from('abcdefg'), 42), 6411819847178218)
  t.end()
})

t.test('wherever the bytes lie in memory', t => {
  const text = Buffer.from('some text, '.repeat(300))
  const expected = prefixChain(text, 7).hashes
  const room = new Uint8Array(text.length + 8)
  for (let offset = 0; offset < 8; offset++) {
    room.set(text, offset)
    const moved = room.subarray(offset, offset + text.length)
    t.same(prefixChain(moved, 7).hashes, expected)
    t.equal(hashBytes(moved, 7), hashBytes(text, 7))
  }
  t.end()
})

t.test('every byte, the length and the seed count', t => {
  const seen = new Set<number>()
  let made = 0
  const add = (bytes: Uint8Array, seed: number): void => {
    seen.add(hashBytes(bytes, seed))
    made++
  }
  for (let length = 0; length <= 9; length++) {
    add(new Uint8Array(length), 0)
    add(new Uint8Array(length), 1)
    add(new Uint8Array(length), 2 ** 32)
    for (let at = 0; at < length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const bytes = new Uint8Array(length)
        bytes[at] = 1 << bit
        add(bytes, 0)
      }
    }
  }
  t.equal(seen.size, made)
  t.not(prefixChain(Buffer.alloc(256), 0).hashes[0], prefixChain(Buffer.alloc(256), 2 ** 40).hashes[0])
  t.not(prefixChain(Buffer.alloc(256), 'a').hashes[0], prefixChain(Buffer.alloc(256), 'b').hashes[0])
  t.end()
})

t.test('well spread', t => {
  const n = 64_000
  const hashes: number[] = []
  const bytes = Buffer.alloc(256, 'Conversation number ')
  for (let i = 0; i < n; i++) {
    bytes.writeUInt32LE(i, 100)
    hashes.push(prefixChain(bytes, 0).hashes[0] ?? -1)
  }
  t.ok(hashes.every(hash => Number.isSafeInteger(hash) && hash >= 0))
  t.equal(new Set(hashes).size, n, 'no two equal')
  // Chi-square over 64 buckets has mean 63 and deviation 11.2; the inputs are fixed, so this either always passes or never.
  for (const [name, bucket] of [['low', (h: number) => h % 64], ['middle', (h: number) => Math.floor(h / 2 ** 24) % 64], ['high', (h: number) => Math.floor(h / 2 ** 47)]] as const) {
    const counts = new Array<number>(64).fill(0)
    for (const hash of hashes) counts[bucket(hash)] = (counts[bucket(hash)] ?? 0) + 1
    const chi = counts.reduce((sum, count) => sum + (count - n / 64) ** 2 / (n / 64), 0)
    t.ok(chi > 25 && chi < 110, `${name} bits: chi-square ${chi.toFixed(1)}`)
  }
  t.end()
})
