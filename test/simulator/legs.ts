// The two legs of a disaggregated request, made by hand as a router would, for the tests of the simulator's KV connectors.
import { randomUUID } from 'node:crypto'
import type { StartedSimulator } from '../../simulator/index.ts'
import { at, post } from './worker.ts'

export const nixlPrefill = { do_remote_decode: true, do_remote_prefill: false, remote_engine_id: null, remote_block_ids: null, remote_host: null, remote_port: null }

/** An id as the router makes them; addresses where a connector needs them. */
export function legId (prefill = '127.0.0.1:1', decode = '127.0.0.1:2'): string {
  return `___prefill_addr_${prefill}___decode_addr_${decode}_${randomUUID().replaceAll('-', '')}`
}

/** An answer that was read whole. */
export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly milliseconds: number
}

export interface LegOptions {
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
}

/** POSTs one leg. */
export async function leg (worker: { url: string }, id: string, body: object, options: LegOptions = {}): Promise<Answer> {
  const startedAt = performance.now()
  const response = await post(worker.url + (options.path ?? '/v1/chat/completions'), body, { 'x-request-id': id, ...options.headers }, options.signal)
  const text = await response.text()
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text, milliseconds: performance.now() - startedAt }
}

/** A chat's answer text. */
export function textOf (answer: Answer): unknown {
  return at(answer.body, 'choices.0.message.content')
}

/** The whole text of a streamed chat. */
export function streamedText (answer: Answer): string {
  return String(answer.body).split('\n\n').map(event => event.slice(6)).filter(data => data.startsWith('{'))
    .map(data => at(JSON.parse(data), 'choices.0.delta.content') ?? '').join('')
}

/** The value of a worker's metric, summed over the series with these labels. */
export async function metric (worker: { url: string }, name: string, labels = ''): Promise<number> {
  const page = await (await fetch(`${worker.url}/metrics`)).text()
  return page.split('\n').filter(line => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

/** Results counted by a worker, zeros left out. */
export function results ({ app }: StartedSimulator): Record<string, number> {
  return Object.fromEntries([...app.simulator.kv?.results ?? []].filter(([, count]) => count > 0))
}

/** Blocks a worker keeps for others. */
export function heldBlocks ({ app }: StartedSimulator): number {
  return app.simulator.engines.reduce((sum, engine) => sum + engine.stats().heldBlocks, 0)
}
