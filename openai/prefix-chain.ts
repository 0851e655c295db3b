// The beginning of a conversation as a chain of block hashes, by which a policy knows what a worker has in its KV cache.
import type { PrefixChain } from '../core/routing.ts'
import { blockHashes } from './prefix-hash.ts'

/**
 * Most blocks of a chain. They reach 15.7 MiB into a conversation, past the longest context windows there are, and bound what
 * one request can make a policy remember; what lies beyond is not hashed.
 */
export const maxBlocks = 4096

/** Bytes of the first block: what is shorter has none. */
export const firstBlock = 256

/**
 * Where blocks end, the same in every conversation, so that one that has grown begins with the blocks it had. Fine where
 * conversations part ways (after a shared system prompt), coarse where a little more or less matters little.
 */
export const blockRuns: ReadonlyArray<readonly [blocks: number, bytes: number]> = [[32, 256], [56, 1_024], [maxBlocks - 88, 4_096]]

const blockEnds: readonly number[] = endsOf(blockRuns)

/** Where blocks end that are so many of so many bytes each, one run after the other. */
export function endsOf (runs: ReadonlyArray<readonly [blocks: number, bytes: number]>): number[] {
  let end = 0
  return runs.flatMap(([blocks, bytes]) => Array.from({ length: blocks }, () => (end += bytes)))
}

const multiplierA = 0x9e3779b1 | 0
const multiplierB = 0x85ebca77 | 0

/**
 * The chain of `bytes`: one hash per whole block, each covering everything before it and `seed`. The same on every machine;
 * not made to withstand somebody who wants two conversations to collide, who would only misplace his own requests.
 */
export function prefixChain (bytes: Uint8Array, seed: number | string): PrefixChain {
  const length = bytes.byteLength
  const ends = blockEnds.slice(0, blocksIn(length))
  if (ends.length === 0) return { hashes: [], ends, length }
  const start = typeof seed === 'string' ? hashBytes(Buffer.from(seed), 0) : seed
  return { hashes: blockHashes(bytes, start, ends.length, blockRuns), ends, length }
}

/** A chain told by its hashes alone; what lies behind the last block is not part of it. */
export function chainOf (hashes: readonly number[]): PrefixChain {
  const ends = blockEnds.slice(0, hashes.length)
  return { hashes, ends, length: ends.at(-1) ?? 0 }
}

/** A hash of all of `bytes`, their number and `seed`: a safe integer, the same on every machine. */
export function hashBytes (bytes: Uint8Array, seed: number): number {
  const length = bytes.byteLength
  let a = low(seed) ^ length
  let b = high(seed) + Math.imul(length, multiplierA)
  const whole = length - length % 4
  if (whole > 0) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, length)
    for (let pos = 0; pos < whole; pos += 4) {
      const word = view.getInt32(pos, true)
      a = Math.imul((a << 13 | a >>> 19) ^ word, multiplierA)
      b = Math.imul((b << 9 | b >>> 23) + word, multiplierB)
    }
  }
  let rest = 0
  for (let pos = whole; pos < length; pos++) rest = rest << 8 | (bytes[pos] ?? 0)
  a = Math.imul((a << 13 | a >>> 19) ^ rest, multiplierA)
  b = Math.imul((b << 9 | b >>> 23) + rest, multiplierB)
  return combine(a, b)
}

/** How many blocks end within so many bytes, if their number were not bounded. */
function blocksIn (length: number): number {
  if (length < 8_192) return Math.floor(length / 256)
  if (length < 65_536) return 32 + Math.floor((length - 8_192) / 1_024)
  return 88 + Math.floor((length - 65_536) / 4_096)
}

function low (seed: number): number {
  return seed | 0
}

function high (seed: number): number {
  return Math.floor(seed / 0x1_0000_0000) ^ 0x2545f491
}

/** 53 bits of both lanes, every bit of which depends on all of the lanes' bits. */
function combine (a: number, b: number): number {
  const lower = scramble(a ^ Math.imul(b, multiplierA))
  return (scramble(b ^ lower) >>> 11) * 0x1_0000_0000 + (lower >>> 0)
}

function scramble (x: number): number {
  x = Math.imul(x ^ x >>> 16, 0x7feb352d)
  x = Math.imul(x ^ x >>> 15, 0x846ca68b)
  return x ^ x >>> 16
}
