// Hashing the beginning of a conversation, block by block.
import { prefixChain } from '../../openai/prefix-chain.ts'
import { chatBody, lengths } from './bodies.ts'
import type { Piece } from './piece.ts'

const budgets = { '300 B': 0.35, '4 KiB': 1, '64 KiB': 11, '1 MiB': 160 }

/** The chain over a whole body. */
export const prefixChainPieces: readonly Piece[] = Object.entries(lengths).map(([name, bytes]) => {
  const body = chatBody(bytes)
  return {
    name: `prefix chain, ${name}`,
    budgetUs: budgets[name as keyof typeof budgets],
    run: () => prefixChain(body, 1).hashes.length
  }
})
