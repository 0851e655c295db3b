// Hashes a conversation block by block in WebAssembly, which multiplies 64 bits at a time where JavaScript has 32.
import { doWhile, f64, i32, i64, variable, writeModule } from './wasm-module.ts'
import type { Code, Variable } from './wasm-module.ts'

/*
 * The hash. Numbers have 64 bits, a word is eight bytes with the lowest first, and bytes are read in stripes of eight words:
 *
 *   mix(lane, first, second) = spread(lane + fold(first × A) + second × B) × C
 *   fold(n)   = n xor (n >> 42)
 *   spread(n) = exchanged xor (exchanged >> 21), where exchanged is n with its halves exchanged
 *
 *   each of four lanes = a constant of its own + seed
 *   for each block:
 *     for each stripe of it: lane i = mix(lane i, word 2i, word 2i + 1)
 *     the block's hash = the upper 53 bits of finish(mix(mix(Z, lane 0, lane 1), lane 2, lane 3))
 *
 * Lanes that multiply and rotate, several so that the processor need not wait for a product, are an idea of xxHash64; `finish`
 * is that of splitmix64, a descendant of MurmurHash3's. As long as one word or one lane differs, so does what `mix` makes of it.
 *
 * A product carries a change towards higher bits only, so what `mix` does besides is bring high bits down. Without it, or with a
 * rotation alone, a change near the top of one word is undone by a change near the top of another, as of one letter or digit at
 * the right distance. As it is, the two together are 44 bits or more from their lowest bits up, all of which have to fit.
 */

/** Odd, and without a pattern: what follows the point of the golden ratio and of the square roots of 3 and 5. */
const [A, B, C] = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn]
/** What follows the point of pi. */
const laneStarts = [0x243f6a8885a308d3n, 0x13198a2e03707344n, 0xa4093822299f31d0n, 0x082efa98ec4e6c89n] as const
const Z = 0x452821e638d01377n

/**
 * Bytes that are copied into the module's memory at a time: the memory is one page, and what was just copied is still in the
 * processor's first cache when it is hashed. A multiple of the bytes of any block.
 */
const sliceBytes = 32_768
const lanesAt = sliceBytes
/** The rest of the page is room for more hashes than a slice has blocks. */
const hashesAt = lanesAt + 8 * laneStarts.length

const seed = variable(0)
const start = {
  name: 'start',
  parameters: ['f64'],
  locals: [],
  body: laneStarts.map((constant, lane) => i64.store(i32.const(lanesAt), i64.add(i64.const(constant), i64.truncSatF64S(seed.get)), 8 * lane))
} as const

const [length, blockBytes] = [variable(0), variable(1)]
const [at, blockEnd, hashAt] = [variable(2), variable(3), variable(4)]
const lanes = [variable(5), variable(6), variable(7), variable(8)] as const
const kept = variable(9)

function mix (lane: Code, first: Code, second: Code): Code {
  const folded = xorShift(i64.mul(first, i64.const(A)), 42n)
  const exchanged = i64.rotl(i64.add(lane, i64.add(folded, i64.mul(second, i64.const(B)))), i64.const(32n))
  return i64.mul(xorShift(exchanged, 21n), i64.const(C))
}

function xorShift (value: Code, bits: bigint): Code {
  return i64.xor(kept.tee(value), i64.shrU(kept.get, i64.const(bits)))
}

function finish (value: Code): Code {
  const once = i64.mul(xorShift(value, 30n), i64.const(0xbf58476d1ce4e5b9n))
  const twice = i64.mul(xorShift(once, 27n), i64.const(0x94d049bb133111ebn))
  return xorShift(twice, 31n)
}

function mixStripe (lane: Variable, index: number): Code {
  return lane.set(mix(lane.get, i64.load(at.get, 16 * index), i64.load(at.get, 16 * index + 8)))
}

const [lane0, lane1, lane2, lane3] = lanes
const hashBlocks = {
  name: 'hashBlocks',
  parameters: ['i32', 'i32'],
  locals: ['i32', 'i32', 'i32', 'i64', 'i64', 'i64', 'i64', 'i64'],
  body: [
    ...lanes.map((lane, index) => lane.set(i64.load(i32.const(lanesAt), 8 * index))),
    doWhile(i32.ltU(at.get, length.get),
      blockEnd.set(i32.add(at.get, blockBytes.get)),
      doWhile(i32.ltU(at.get, blockEnd.get),
        ...lanes.map(mixStripe),
        at.set(i32.add(at.get, i32.const(16 * lanes.length)))),
      f64.store(hashAt.get, f64.convertI64U(i64.shrU(finish(mix(mix(i64.const(Z), lane0.get, lane1.get), lane2.get, lane3.get)), i64.const(11n))), hashesAt),
      hashAt.set(i32.add(hashAt.get, i32.const(8)))),
    ...lanes.map((lane, index) => i64.store(i32.const(lanesAt), lane.get, 8 * index))
  ]
} as const

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  /** Begins a conversation. */
  start (seed: number): void
  /** Goes on with so many bytes, which lie at 0 and are whole blocks of so many bytes each; their hashes lie at `hashesAt` then. */
  hashBlocks (length: number, blockBytes: number): void
}

/** Part of Node, which the installed types leave out. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: Exports }
}

const { exports: wasm } = new WebAssembly.Instance(new WebAssembly.Module(writeModule(1, [start, hashBlocks])))
const slice = new Uint8Array(wasm.memory.buffer, 0, sliceBytes)
const hashes = new Float64Array(wasm.memory.buffer, hashesAt)

/**
 * The hashes of the first `count` blocks of `bytes`, each covering all bytes up to its end and `seed`, a safe integer. `runs`
 * says how many blocks there are of how many bytes, one run after the other; bytes are a power of two from 64 to 32,768, and
 * `bytes` has `count` blocks or more.
 */
export function blockHashes (bytes: Uint8Array, seed: number, count: number, runs: ReadonlyArray<readonly [blocks: number, bytes: number]>): number[] {
  const found: number[] = []
  let from = bytes.byteOffset
  wasm.start(seed)
  for (const [blocks, size] of runs) {
    let left = Math.min(blocks, count - found.length)
    while (left > 0) {
      const now = Math.min(left, sliceBytes / size)
      slice.set(new Uint8Array(bytes.buffer, from, now * size))
      wasm.hashBlocks(now * size, size)
      for (let block = 0; block < now; block++) found.push(hashes[block] as number)
      from += now * size
      left -= now
    }
  }
  return found
}
