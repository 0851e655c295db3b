// Records what traffic is like, never what it says: moments, lengths and salted hashes of prompts, one line a request, for `npm run replay`.
import { createCipheriv, createHmac, randomBytes } from 'node:crypto'
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { whenClosed } from '../core/reply-end.ts'
import { blockRuns } from '../openai/prefix-chain.ts'
import { headersOf, sessionKey } from '../policies/routing-key.ts'
import type { Call } from './call.ts'
import { TraceFile } from './trace-file.ts'

/** Options of the plugin. */
export interface RecordTraceOptions {
  /** File to record in; one that is there is kept as `<file>.1`. */
  recordTrace: string
  /** Millions of bytes after which the recording ends. Default 1024. */
  recordTraceMaxMb?: number
  /** Headers that name a conversation. Default: those of policies, also for none. */
  sessionHeaders?: readonly string[]
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The recording that is under way. */
    readonly traceFile: TraceFile
  }
}

/** Where the worker does not say how long a prompt was. */
const bytesPerToken = 4

/**
 * Makes numbers unreadable: the same number becomes the same text within a recording, and nobody can tell the number from the text, or
 * that two recordings have one in common, because the keys are made by chance and kept nowhere.
 */
class Salt {
  private readonly key = randomBytes(16)
  private readonly sessionKey = randomBytes(32)

  /** 16 hex digits for each. One run of the cipher for all: a prompt may have thousands of blocks. */
  blocks (hashes: readonly number[]): string[] {
    if (hashes.length === 0) return []
    const plain = Buffer.alloc(16 * hashes.length)
    for (const [at, hash] of hashes.entries()) plain.writeDoubleBE(hash, 16 * at)
    // every block of the cipher is a number of its own, so that equal ones become equal
    const hidden = createCipheriv('aes-128-ecb', this.key, null).update(plain)
    return hashes.map((_, at) => hidden.toString('hex', 16 * at, 16 * at + 8))
  }

  session (key: string): string {
    return createHmac('sha256', this.sessionKey).update(key).digest('hex').slice(0, 16)
  }
}

const plugin: FastifyPluginAsync<RecordTraceOptions> = async (fastify, options) => {
  const file = await TraceFile.create(options.recordTrace, (options.recordTraceMaxMb ?? 1024) * 1_000_000, err => fastify.log.error({ err }, 'the recording of requests failed'))
  const salt = new Salt()
  const headers = headersOf(options)
  const startedAt = performance.now()
  /** Pieces of streams: about a token each, where the worker does not say how many there were. */
  const pieces = new WeakMap<Call, number>()
  fastify.decorate('traceFile', file)
  file.add(JSON.stringify({ recording: 'fastify-vllm-router', version: 1, block_ends: blockRuns }))
  fastify.calls.on('gap', call => { pieces.set(call, (pieces.get(call) ?? 1) + 1) })

  function record (call: Call, at: number): void {
    const { routing } = call.assignment
    const { prefix } = routing
    const { promptTokens, completionTokens } = call.usage
    const key = sessionKey(routing, headers)
    const loss = file.add(JSON.stringify({
      timestamp: Math.round(at - startedAt),
      input_length: promptTokens ?? Math.ceil(prefix.length / bytesPerToken),
      output_length: completionTokens ?? pieces.get(call) ?? 1,
      input_bytes: prefix.length,
      hash_ids: salt.blocks(prefix.hashes),
      ...(key === undefined ? {} : { session: salt.session(key.key) })
    }))
    if (loss === 'full' && file.lost.full === 1) fastify.log.warn(`the recording of requests has reached --record-trace-max-mb and ends after ${file.written - 1} requests`)
  }

  fastify.addHook('onRequest', (request, reply, next) => {
    const at = performance.now()
    whenClosed(reply.raw, () => {
      const { workerCall: call } = request
      if (call?.generation === true) record(call, at)
    })
    next()
  })
  fastify.addHook('onClose', async () => {
    await file.close()
    const { slow, failed } = file.lost
    if (slow + failed > 0) fastify.log.warn({ slow, failed }, 'requests that are not in the recording because the disk was slow or failed')
  })
}

/** Fastify plugin: records requests, `fastify.traceFile`. */
export const recordTrace: FastifyPluginAsync<RecordTraceOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-record-trace', decorators: { fastify: ['calls'], request: ['workerCall'] }
})
export default recordTrace
