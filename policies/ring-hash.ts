// The hash that places workers and keys on the ring: mcrouter's furc over MurmurHash64A, computed in 32-bit halves.

/** An unsigned 64-bit number in two unsigned halves. */
export interface Hash64 {
  readonly hi: number
  readonly lo: number
}

/** Murmur's multiplier 0xc6a4a7935bd1e995 in halves, and the low half again in quarters. */
const M_HI = 0xc6a4a793
const M_LO = 0x5bd1e995
const M_LO_TOP = 0x5bd1
const M_LO_BOTTOM = 0xe995
/** The reference router's seed. */
const SEED = 4193360111
/** The number of furc values is 2^23 - 1: bits are read 23 apart, at most 23 for a value. */
const BITS = 23
const SIZE = 2 ** BITS - 1
const ROUNDS = 32

/** Halves of the words that furc reads its bits from, low half first: room for the 32 rounds' last bit, 23 + 32 · 23 · 23. */
const words = new Int32Array(2 * 266)
/** Where short texts are encoded; a longer one gets a buffer of its own. */
const scratch = new Uint8Array(1024)
const encoder = new TextEncoder()

/** Upper half of (hi, lo) · M; the lower half is `Math.imul(lo, M_LO)`. */
function timesHigh (hi: number, lo: number): number {
  const top = lo >>> 16
  const bottom = lo & 0xffff
  const first = (Math.imul(top, M_LO_BOTTOM) >>> 0) + (Math.imul(bottom, M_LO_BOTTOM) >>> 16)
  const second = (Math.imul(bottom, M_LO_TOP) >>> 0) + (first & 0xffff)
  const carry = Math.imul(top, M_LO_TOP) + (first >>> 16) + (second >>> 16)
  return (carry + Math.imul(hi, M_LO) + Math.imul(lo, M_HI)) | 0
}

/** Murmur's last steps, h ^= h >>> 47, h *= M, h ^= h >>> 47; the result goes to `words[at]` (low) and `words[at + 1]`. */
function finish (hi: number, lo: number, at: number): void {
  const mixed = lo ^ (hi >>> 15)
  const high = timesHigh(hi, mixed)
  words[at] = Math.imul(mixed, M_LO) ^ (high >>> 15)
  words[at + 1] = high
}

function littleEndian (bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)
}

/** MurmurHash64A of the first `length` bytes, into `words[0]` and `words[1]`. */
function murmur (bytes: Uint8Array, length: number): void {
  let hi = timesHigh(0, length)
  let lo = Math.imul(length, M_LO) ^ SEED
  let at = 0
  for (; at + 8 <= length; at += 8) {
    const low = littleEndian(bytes, at)
    const high = timesHigh(littleEndian(bytes, at + 4), low)
    const mixed = Math.imul(low, M_LO) ^ (high >>> 15)
    const nextHi = hi ^ timesHigh(high, mixed)
    lo ^= Math.imul(mixed, M_LO)
    hi = timesHigh(nextHi, lo)
    lo = Math.imul(lo, M_LO)
  }
  if (at < length) {
    for (let shift = 0; at < length; at++, shift += 8) {
      const byte = bytes[at] as number
      if (shift < 32) lo ^= byte << shift
      else hi ^= byte << (shift - 32)
    }
    hi = timesHigh(hi, lo)
    lo = Math.imul(lo, M_LO)
  }
  finish(hi, lo, 0)
}

const START_8_HI = timesHigh(0, 8)
const START_8_LO = Math.imul(8, M_LO) ^ SEED

/** Word n of furc's bit source: MurmurHash64A of the eight bytes of word n - 1. */
function nextWord (index: number): void {
  const low = words[2 * index - 2] as number
  const high = timesHigh(words[2 * index - 1] as number, low)
  const mixed = Math.imul(low, M_LO) ^ (high >>> 15)
  const lo = START_8_LO ^ Math.imul(mixed, M_LO)
  finish(timesHigh(START_8_HI ^ timesHigh(high, mixed), lo), Math.imul(lo, M_LO), 2 * index)
}

function bit (at: number): number {
  return ((words[at >>> 5] as number) >>> (at & 31)) & 1
}

/** Furc's value, 0 to 2^23 - 2, of the text whose murmur lies in `words[0]` and `words[1]`. */
function furcOfWords (): number {
  let made = 0
  let depth = BITS
  let at = depth
  for (let round = 0; round < ROUNDS; round++) {
    while (made < at >>> 6) nextWord(++made)
    while (bit(at) === 0) {
      if (depth === 0) return 0
      at = --depth
    }
    let value = 1
    for (let i = 1; i < depth; i++) {
      at += BITS
      if (made < at >>> 6) nextWord(++made)
      value = 2 * value + bit(at)
    }
    at += BITS
    if (value < SIZE) return value
  }
  return 0
}

/** Encodes a text into the scratch buffer; -1 when it might not fit. */
function encode (text: string): number {
  if (text.length > scratch.length / 3) return -1
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127) return encoder.encodeInto(text, scratch).written
    scratch[i] = code
  }
  return text.length
}

function hashWords (key: string | Uint8Array): void {
  if (typeof key !== 'string') return murmur(key, key.length)
  const length = encode(key)
  if (length >= 0) return murmur(scratch, length)
  const bytes = encoder.encode(key)
  murmur(bytes, bytes.length)
}

/** The furc value of a key, 0 to 2^23 - 2. Text counts as its UTF-8 bytes. */
export function furc (key: string | Uint8Array): number {
  hashWords(key)
  return furcOfWords()
}

const START_4_HI = timesHigh(0, 4)
const START_4_LO = Math.imul(4, M_LO) ^ SEED

/** Writes the ring hash of a key to `out[at]` (upper half) and `out[at + 1]` (lower half), without allocating. */
export function ringHashInto (key: string | Uint8Array, out: Uint32Array, at: number): void {
  const lo = START_4_LO ^ furc(key)
  finish(timesHigh(START_4_HI, lo), Math.imul(lo, M_LO), 0)
  out[at] = words[1] as number
  out[at + 1] = words[0] as number
}

const result = new Uint32Array(2)

/**
 * The ring hash of a key: MurmurHash64A of its furc value, the same number as the reference router computes. Text counts
 * as its UTF-8 bytes.
 */
export function ringHash (key: string | Uint8Array): Hash64 {
  ringHashInto(key, result, 0)
  return { hi: result[0] as number, lo: result[1] as number }
}

/** The ring hash as 16 hex digits. */
export function ringHashHex (key: string | Uint8Array): string {
  const { hi, lo } = ringHash(key)
  return hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0')
}
