// A chain's hashes are what their definition says, wherever the bytes lie; texts that are almost alike have hashes that are not.
import fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { prefixChain } from '../../openai/prefix-chain.ts'
import { check } from './property.ts'

// The definition in openai/prefix-hash.ts, once more, in plain numbers.

const wrapped = (n: bigint): bigint => BigInt.asUintN(64, n)
const xorShift = (n: bigint, bits: bigint): bigint => n ^ n >> bits

function mix (lane: bigint, first: bigint, second: bigint): bigint {
  const folded = xorShift(wrapped(first * 0x9e3779b97f4a7c15n), 42n)
  const sum = wrapped(lane + folded + second * 0xbb67ae8584caa73bn)
  return wrapped(xorShift(wrapped(sum << 32n) | sum >> 32n, 21n) * 0x3c6ef372fe94f82bn)
}

function finish (n: bigint): bigint {
  const once = wrapped(xorShift(n, 30n) * 0xbf58476d1ce4e5b9n)
  return xorShift(wrapped(xorShift(once, 27n) * 0x94d049bb133111ebn), 31n)
}

function hashesOf (bytes: Uint8Array, seed: number, ends: readonly number[]): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const lanes = [0x243f6a8885a308d3n, 0x13198a2e03707344n, 0xa4093822299f31d0n, 0x082efa98ec4e6c89n].map(start => wrapped(start + BigInt(seed)))
  const hashes: number[] = []
  let at = 0
  for (const end of ends) {
    for (; at < end; at += 64) {
      lanes.forEach((lane, i) => { lanes[i] = mix(lane, view.getBigUint64(at + 16 * i, true), view.getBigUint64(at + 16 * i + 8, true)) })
    }
    const [a, b, c, d] = lanes as [bigint, bigint, bigint, bigint]
    hashes.push(Number(finish(mix(mix(0x452821e638d01377n, a, b), c, d)) >> 11n))
  }
  return hashes
}

/** Bytes that look random, from a number that need not. */
function noise (bytes: Uint8Array, from: number): void {
  let x = from | 1
  for (let i = 0; i < bytes.length; i++) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    bytes[i] = x
  }
}

t.test('as defined', t => {
  // of blocks of 256, 1,024 and 4,096 bytes, and over the ends of the slices that are copied
  const length = fc.oneof(fc.nat(3_000), fc.nat(12_000), fc.integer({ min: 36_000, max: 46_000 }), fc.integer({ min: 60_000, max: 140_000 }))
  const seed = fc.oneof(fc.nat(), fc.maxSafeInteger())
  check(t, 'as defined', fc.property(length, seed, fc.nat(70), fc.integer(), fc.boolean(), (length, seed, offset, from, shared) => {
    const room = new Uint8Array(shared ? new SharedArrayBuffer(offset + length + 9) : new ArrayBuffer(offset + length + 9))
    noise(room, from)
    const bytes = shared ? room.subarray(offset, offset + length) : Buffer.from(room.buffer, offset, length)
    const { hashes, ends } = prefixChain(bytes, seed)
    const expected = hashesOf(bytes, seed, ends)
    if (hashes.length !== expected.length || hashes.some((hash, i) => hash !== expected[i])) throw new Error('other hashes than defined')
  }), 60)
  t.end()
})

t.test('nothing of one conversation is left in the next', t => {
  const long = Buffer.alloc(100_000, 'long, ')
  const short = Buffer.alloc(700, 'short, ')
  const before = prefixChain(short, 1).hashes
  prefixChain(long, 2)
  t.same(prefixChain(short, 1).hashes, before)
  t.end()
})

t.test('any bit changes half of the bits of all hashes from its block on, and none before', t => {
  const bytes = new Uint8Array(10_240)
  noise(bytes, 7)
  const { hashes, ends } = prefixChain(bytes, 3)
  const changes = new Array<number>(53).fill(0)
  let least = 53
  let most = 0
  let blocks = 0
  for (let bit = 0; bit < 8 * bytes.length; bit += 61) {
    const mask = 1 << bit % 8
    const byte = (bit - bit % 8) / 8
    bytes[byte] = (bytes[byte] ?? 0) ^ mask
    const changed = prefixChain(bytes, 3).hashes
    bytes[byte] = (bytes[byte] ?? 0) ^ mask
    const first = ends.findIndex(end => end > byte)
    if (hashes.some((hash, i) => i < first && hash !== changed[i])) t.fail(`bit ${bit} changes an earlier block`)
    for (const [i, hash] of hashes.entries()) {
      if (i < first) continue
      let count = 0
      for (let left = BigInt(hash) ^ BigInt(changed[i] ?? 0), out = 0; out < 53; out++, left >>= 1n) {
        if ((left & 1n) === 0n) continue
        count++
        changes[out] = (changes[out] ?? 0) + 1
      }
      least = Math.min(least, count)
      most = Math.max(most, count)
      blocks++
    }
  }
  // of 20,000 throws of 53 coins the worst has 26.5 ± 4.2 × 3.64; each coin shows 0.5 ± 0.0035
  t.ok(blocks > 15_000, `${blocks} hashes compared`)
  t.ok(least >= 7 && most <= 46, `${least} to ${most} bits change`)
  for (const [bit, count] of changes.entries()) t.ok(Math.abs(count / blocks - 0.5) < 0.02, `bit ${bit} changes in ${(100 * count / blocks).toFixed(1)} %`)
  t.end()
})

/** Tells whether all the texts that `each` makes have different hashes of their last block. */
function differ (t: Test, name: string, bytes: Buffer, each: (add: () => void) => void): void {
  const seen = new Set<number>()
  let made = 0
  each(() => {
    seen.add(prefixChain(bytes, 1).hashes.at(-1) ?? -1)
    made++
  })
  t.equal(seen.size, made, `${name}: ${made} texts`)
}

t.test('texts that are almost alike', t => {
  // Digits of a table lie at the same distance, so that they meet in the same lane, or in two words of a stripe.
  for (const distance of [8, 16, 32, 64]) {
    const bytes = Buffer.alloc(512, 'a table of numbers | ')
    differ(t, `numbers in columns of ${distance}`, bytes, add => {
      for (let number = 0; number < 100_000; number++) {
        for (let digit = 0; digit < 5; digit++) bytes[7 + digit * distance] = 0x30 + Math.floor(number / 10 ** digit) % 10
        add()
      }
    })
  }
  // A product carries changes upwards only, so those near the top of a word are the ones that could undo each other.
  const bytes = Buffer.alloc(256, 'The quick brown fox. ')
  const places = [0, 64, 128].flatMap(stripe => [0, 8].flatMap(word => Array.from({ length: 12 }, (_, bit) => 8 * (stripe + word) + 63 - bit)))
  const flip = (place: number): void => { bytes[place >> 3] = (bytes[place >> 3] ?? 0) ^ 1 << (place & 7) }
  differ(t, 'three of the upper bits of the words of a lane', bytes, add => {
    for (const [i, first] of places.entries()) {
      flip(first)
      for (const [j, second] of places.entries()) {
        if (j <= i) continue
        flip(second)
        add()
        for (const third of places.slice(j + 1)) {
          flip(third)
          add()
          flip(third)
        }
        flip(second)
      }
      flip(first)
    }
  })
  const text = Buffer.from(Array.from({ length: 1_024 }, (_, at) => `${at}, `).join('')).subarray(0, 2_048)
  const exchanged = Buffer.from(text)
  differ(t, 'words and blocks that changed places', exchanged, add => {
    for (const size of [8, 16, 64, 256]) {
      for (let a = 0; a < 512; a += size) {
        for (let b = a + size; b < 1_024; b += size) {
          text.copy(exchanged, a, b, b + size)
          text.copy(exchanged, b, a, a + size)
          add()
          text.copy(exchanged)
        }
      }
    }
  })
  t.end()
})
