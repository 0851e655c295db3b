// Plain routing objects for tests and benchmarks of policies: made from parts instead of from a request's bytes.
import type { PrefixChain, Routing } from '../../policies/policy.ts'

/** What a test's request says; everything left out is absent. */
export interface RoutingParts {
  readonly model?: string
  /** By lower-case name. */
  readonly headers?: Readonly<Record<string, string>>
  readonly session?: string
  readonly opening?: string | Uint8Array
  /** The whole conversation, as far as its prefix chain is concerned. */
  readonly text?: string
}

/** Bytes of a block in the chains made here. */
export const blockSize = 256

const encoder = new TextEncoder()

export function bytesOf (text: string): Uint8Array {
  return encoder.encode(text)
}

/** The chain of a text: 53-bit hashes of everything up to the end of each full block. */
export function chainOf (text: string): PrefixChain {
  const bytes = bytesOf(text)
  const hashes: number[] = []
  const ends: number[] = []
  let one = 0x811c9dc5
  let two = 0x2545f491
  bytes.forEach((byte, at) => {
    one = Math.imul(one ^ byte, 0x01000193)
    two = Math.imul((two ^ byte) + (one >>> 7), 0x5bd1e995)
    if ((at + 1) % blockSize === 0) {
      hashes.push((two & 0x1fffff) * 0x1_0000_0000 + (one >>> 0))
      ends.push(at + 1)
    }
  })
  return { hashes, ends, length: bytes.length }
}

export function routing ({ model, headers = {}, session, opening, text = '' }: RoutingParts = {}): Routing {
  return {
    model,
    header: name => headers[name],
    session,
    opening: typeof opening === 'string' ? bytesOf(opening) : opening,
    prefix: chainOf(text)
  }
}

/** A request of a conversation: its opening stays the same while turns are added, its prefix chain grows. */
export function conversation (system: string, ...turns: readonly string[]): Routing {
  return routing({ opening: system + (turns[0] ?? ''), text: system + turns.join('') })
}
