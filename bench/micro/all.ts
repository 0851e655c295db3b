// Every hot piece.
import { headerPieces } from './headers.ts'
import { http1Pieces } from './http1.ts'
import { locatePieces } from './locate.ts'
import { longPromptPieces } from './long-prompt.ts'
import { pickPieces } from './pick.ts'
import type { Piece } from './piece.ts'
import { prefixChainPieces } from './prefix-chain.ts'
import { ssePieces } from './sse.ts'

/** All of them, in the order of a request; policies in fleets of so many workers. */
export function allPieces (fleets: readonly number[] = [2, 16, 128, 1000]): Piece[] {
  return [...locatePieces, ...prefixChainPieces, ...pickPieces(fleets), ...longPromptPieces(), ...headerPieces, ...http1Pieces, ...ssePieces]
}
