// Calls to workers without their sockets: the lines of a request, and answers taken apart.
import { ResponseParser } from '../../core/http1/parser.ts'
import { fieldLines } from '../../core/http1/request-bytes.ts'
import type { Piece } from './piece.ts'

const fields = [
  'Accept-Encoding', 'gzip, deflate', 'Accept', 'application/json', 'Content-Type', 'application/json', 'User-Agent', 'OpenAI/Python 2.8.1',
  'X-Stainless-Lang', 'python', 'X-Stainless-Package-Version', '2.8.1', 'X-Stainless-OS', 'Linux', 'X-Stainless-Arch', 'x64',
  'X-Stainless-Runtime', 'CPython', 'x-stainless-retry-count', '0', 'x-request-id', 'chatcmpl-0123456789abcdef01234567'
]
const head = 'HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: uvicorn\r\n'
const answer = Buffer.from(`${head}content-length: 300\r\ncontent-type: application/json\r\n\r\n${'x'.repeat(300)}`)
const streamHead = Buffer.from(`${head}content-type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n`)
const chunk = `c8\r\n${'x'.repeat(200)}\r\n`
const one = Buffer.from(chunk)
const many = Buffer.from(chunk.repeat(300))
/** Chunks are moved together where they stand, so each time they are put there anew. */
const memory = Buffer.alloc(65_536)

let bytes = 0
const sink = {
  head: () => true,
  body (piece: Buffer) {
    bytes += piece.length
    return true
  },
  end () {}
}
const answers = new ResponseParser(sink)
const stream = new ResponseParser(sink)
stream.expect(false)
streamHead.copy(memory)
stream.push(memory, streamHead.length)

/** One request, one answer, one piece of a stream, and a read full of them. */
export const http1Pieces: readonly Piece[] = [
  { name: 'header lines of a request, 11 of them', budgetUs: 1.5, run: () => fieldLines(fields) },
  {
    name: 'one answer of 300 B taken apart',
    budgetUs: 2,
    run () {
      answer.copy(memory)
      answers.expect(false)
      answers.push(memory, answer.length)
      return bytes
    }
  },
  {
    name: 'one chunk of a stream',
    budgetUs: 0.6,
    run () {
      one.copy(memory)
      stream.push(memory, one.length)
      return bytes
    }
  },
  {
    name: '300 chunks in one read',
    budgetUs: 60,
    run () {
      many.copy(memory)
      stream.push(memory, many.length)
      return bytes
    }
  }
]
