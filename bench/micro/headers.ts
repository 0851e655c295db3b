// Passing headers on, both ways.
import { headersForClient, headersForWorker, textHeaders } from '../../core/headers.ts'
import type { Piece } from './piece.ts'

/** As the OpenAI client for Python sends them. */
const fromClient = [
  'Host', 'router:30000', 'Accept-Encoding', 'gzip, deflate', 'Connection', 'keep-alive', 'Accept', 'application/json',
  'Content-Type', 'application/json', 'User-Agent', 'OpenAI/Python 2.8.1', 'X-Stainless-Lang', 'python',
  'X-Stainless-Package-Version', '2.8.1', 'X-Stainless-OS', 'Linux', 'X-Stainless-Arch', 'x64', 'X-Stainless-Runtime', 'CPython',
  'X-Stainless-Runtime-Version', '3.12.3', 'Authorization', 'Bearer secret', 'X-Stainless-Async', 'false', 'x-stainless-retry-count', '0',
  'x-stainless-read-timeout', '600', 'Content-Length', '300'
]

/** As vLLM sends them. */
const fromWorker = ['date', 'Thu, 01 Jan 2026 00:00:00 GMT', 'server', 'uvicorn', 'content-type', 'application/json', 'content-length', '300']

const own = { requestId: 'chatcmpl-0123456789abcdef01234567', rank: undefined, authorization: undefined }

/** Headers of one request and of its answer. */
export const headerPieces: readonly Piece[] = [
  { name: 'headers for the worker, 17 of them', budgetUs: 1.5, run: () => headersForWorker(fromClient, own) },
  { name: 'headers for the client, 4 of them', budgetUs: 1, run: () => headersForClient(textHeaders(fromWorker)) }
]
