// A pool of prefill and a pool of decode workers under a test's hand, which hand over KV blocks as NIXL's HTTP side shows it.
import type { Test } from 'tap'
import type { VllmRouterOptions } from '../../router.ts'
import { startRawWorker } from './raw-worker.ts'
import type { Answer, RawWorker, Recorded } from './raw-worker.ts'
import { startRouter } from './router.ts'
import type { TestRouter } from './router.ts'
import { until } from './until.ts'

/** Two pools and the router before them. */
export interface Pools extends TestRouter {
  readonly prefill: readonly RawWorker[]
  readonly decode: readonly RawWorker[]
  /** Blocks kept by prefill workers, by their handle, with the worker that keeps them. */
  readonly held: Map<string, RawWorker>
  /** Decode legs that named blocks which nobody keeps. */
  readonly strange: string[]
  /** Decodes without a prefill. */
  readonly alone: () => number
}

/** What to start. */
export interface PoolsOptions extends VllmRouterOptions {
  readonly prefills?: number
  readonly decodes?: number
  /** Metrics page of the prefill workers, and of the decode workers. */
  readonly prefillMetrics?: string
  readonly decodeMetrics?: string
}

interface Body {
  readonly stream?: boolean
  readonly kv_transfer_params?: { readonly do_remote_decode?: boolean, readonly do_remote_prefill?: boolean, readonly remote_request_id?: string } | null
}

/** The same of a body that may be anything. */
function readBody (request: Recorded): Body {
  try {
    return bodyOf(request)
  } catch {
    return {}
  }
}

/** A metrics page with so many engines. */
export function engines (count: number): string {
  return Array.from({ length: count }, (_, engine) => `vllm:num_requests_running{engine="${engine}",model_name="raw"} 0\n`).join('')
}

/** The body of a request, parsed. */
export function bodyOf (request: Recorded): Body & Record<string, unknown> {
  return JSON.parse(request.body.toString()) as Body & Record<string, unknown>
}

/** What a prefill worker returns; written as no serialiser would, to show that it is not written again. */
export function paramsOf (handle: string): string {
  return `{"do_remote_prefill": true,"do_remote_decode":false,  "remote_block_ids":[[1,2]],"remote_request_id":"${handle}","x":1.0e2}`
}

/** Starts the pools, and a router that splits every request unless told otherwise. */
export async function startPools (t: Test, options: PoolsOptions = {}): Promise<Pools> {
  const { prefills = 2, decodes = 2, prefillMetrics = '', decodeMetrics = '', ...others } = options
  const held = new Map<string, RawWorker>()
  const strange: string[] = []
  let count = 0

  const prefill: RawWorker[] = []
  const decode: RawWorker[] = []
  for (let i = 0; i < prefills; i++) {
    const worker = await startRawWorker(t)
    worker.metrics = prefillMetrics
    worker.answer = prefillAnswer(held, worker, () => `kv-${++count}`)
    prefill.push(worker)
  }
  for (let i = 0; i < decodes; i++) {
    const worker = await startRawWorker(t, decodeAnswer(held, strange))
    worker.metrics = decodeMetrics
    decode.push(worker)
  }
  const router = await startRouter(t, {
    vllmPdDisaggregation: true,
    prefill: prefill.map(worker => worker.url),
    decode: decode.map(worker => worker.url),
    policy: 'round_robin',
    pdMinUncachedTokens: 0,
    retryInitialBackoffMs: 1,
    retryBudgetMinPerSecond: 1000,
    ...others
  }, false)
  await until('all workers are known and ready', () => new Set(router.router.workers.list().filter(worker => worker.state === 'ready').map(worker => worker.url)).size === prefills + decodes)
  const alone = (): number => decode.flatMap(worker => worker.requests).filter(request => (readBody(request).kv_transfer_params ?? null) === null).length
  return { ...router, prefill, decode, held, strange, alone }
}

/** Keeps blocks, and says where. */
export function prefillAnswer (held: Map<string, RawWorker>, worker: RawWorker, name: () => string): Answer {
  return (request, response) => {
    const handle = name()
    if (readBody(request).kv_transfer_params?.do_remote_decode === true) held.set(handle, worker)
    response.setHeader('content-type', 'application/json')
    response.end(`{"id":"p-1","choices":[{"index":0,"text":"x"}],"usage":{"prompt_tokens":40,"total_tokens":41,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":7}},"kv_transfer_params": ${paramsOf(handle)}}`)
  }
}

/** Takes the blocks that are named, which frees them, and answers in one piece or as a stream. */
export function decodeAnswer (held: Map<string, RawWorker>, strange: string[]): Answer {
  return (request, response) => {
    const { stream, kv_transfer_params: params } = readBody(request)
    if (params?.do_remote_prefill === true) {
      const handle = params.remote_request_id ?? ''
      if (!held.delete(handle)) {
        strange.push(handle)
        response.writeHead(500).end('no such blocks')
        return
      }
    }
    const usage = '"usage":{"prompt_tokens":40,"completion_tokens":5,"total_tokens":45,"prompt_tokens_details":{"cached_tokens":39}}'
    if (stream === true) {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(`data: {"id":"d-1","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\ndata: {"choices":[],${usage}}\n\ndata: [DONE]\n\n`)
      return
    }
    response.setHeader('content-type', 'application/json')
    response.end(`{"id":"d-1", "choices":[{"index":0,"text":"hi"}],${usage},"z":1.0}`)
  }
}
