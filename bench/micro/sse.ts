// Looking at a stream in passing.
import { SseBoundary } from '../../openai/sse.ts'
import { UsageReader } from '../../openai/usage.ts'
import type { Piece } from './piece.ts'

const chunk = Buffer.from('data: {"id":"chatcmpl-0123456789abcdef","object":"chat.completion.chunk","created":1767225600,"model":"bench","choices":[{"index":0,"delta":{"content":" t0000000000000000"},"logprobs":null,"finish_reason":null}]}\n\n')
const boundary = new SseBoundary()
const reader = new UsageReader()

/** One event of a chat, about 200 bytes. */
export const ssePieces: readonly Piece[] = [
  {
    name: 'scan of one event',
    budgetUs: 0.4,
    run () {
      reader.push(chunk)
      boundary.push(chunk)
      return boundary.atBoundary
    }
  }
]
