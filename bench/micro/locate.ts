// Finding what routing asks for in the raw bytes of a body.
import { RequestRouting } from '../../openai/routing.ts'
import { chatBody, lengths } from './bodies.ts'
import type { Piece } from './piece.ts'

const headers = { 'content-type': 'application/json' }
const budgets = { '300 B': 1.5, '4 KiB': 1.5, '64 KiB': 3, '1 MiB': 20 }

/** Model, stream and `kv_transfer_params` of a chat request. */
export const locatePieces: readonly Piece[] = Object.entries(lengths).map(([name, bytes]) => {
  const body = chatBody(bytes)
  return {
    name: `locate fields, ${name}`,
    budgetUs: budgets[name as keyof typeof budgets],
    run () {
      const routing = new RequestRouting('/v1/chat/completions', headers, body)
      return routing.hasKvTransferParams ? routing.stream : routing.model
    }
  }
})
