// The side channel on which simulated workers fetch each other's blocks: a small HTTP server, and its client. Real ones use RDMA.
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { record } from '../json.ts'
import type { KvOffers } from './offers.ts'
import { transferResults } from './plan.ts'
import type { PromptMark, Source, TransferResult } from './plan.ts'

/** Time an answer may take beyond what the question allows for waiting. */
const answerMs = 5000
/** Longest body taken; a question has about 200 bytes. */
const bodyLimit = 64 * 1024

/** What one worker asks another for. */
export interface Question {
  readonly key: string
  readonly engineId?: string
  readonly rank?: number
  readonly ranks?: number
  /** Milliseconds the other side may wait for blocks that are not there yet. */
  readonly waitMs: number
}

/** The prefill side: answers others, and tells the engine ids as Mooncake's bootstrap server does. */
export class KvChannel {
  private readonly offers: KvOffers
  private readonly engineIds: readonly string[]
  private readonly alive: () => boolean
  private readonly server = createServer((request, response) => { void this.answer(request, response) })

  /** `alive` is asked at every request: a worker that is down answers nobody. */
  constructor (offers: KvOffers, engineIds: readonly string[], alive: () => boolean) {
    this.offers = offers
    this.engineIds = engineIds
    this.alive = alive
  }

  /** Begins to listen; resolves with the port. */
  listen (host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen(port, host, () => {
        this.server.off('error', reject)
        resolve((this.server.address() as AddressInfo).port)
      })
    })
  }

  close (): Promise<void> {
    return new Promise(resolve => {
      this.server.close(() => resolve())
      this.server.closeAllConnections()
    })
  }

  private async answer (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const left = new AbortController()
    response.once('close', () => left.abort())
    if (!this.alive()) {
      request.socket.destroy()
      return
    }
    if (request.method === 'GET' && request.url === '/query') {
      send(response, 200, Object.fromEntries(this.engineIds.map((id, rank) => [rank, { engine_id: id }])))
      return
    }
    const body = await readJson(request)
    const key = body?.['key']
    if (body === undefined || typeof key !== 'string') {
      send(response, 400, { error: 'a JSON object with a key is needed' })
      return
    }
    const engineId = typeof body['engine_id'] === 'string' ? body['engine_id'] : undefined
    if (request.url === '/release') {
      this.offers.release(key, engineId)
      send(response, 200, {})
      return
    }
    const result = await this.offers.ask({
      key,
      engineId,
      rank: number(body['rank']),
      ranks: number(body['ranks']),
      waitMs: number(body['wait_ms']) ?? 0,
      mark: { tokens: number(body['tokens']) ?? 0, hash: number(body['hash']) ?? 0, head: number(body['head']) ?? 0 }
    }, left.signal)
    send(response, 200, { result })
  }
}

/** The decode side of `http://HOST:PORT`. */
export function channelSource (base: string, question: Question): Source {
  const { key, engineId, rank, ranks, waitMs } = question
  return {
    remote: base,
    async fetch (mark: PromptMark, signal: AbortSignal): Promise<TransferResult> {
      try {
        const asked = { key, engine_id: engineId, rank, ranks, wait_ms: waitMs, ...mark }
        const answer = record(await post(`${base}/pull`, asked, AbortSignal.any([signal, AbortSignal.timeout(waitMs + answerMs)])))
        return transferResults.find(result => result === answer?.['result']) ?? 'unreachable'
      } catch {
        return 'unreachable'
      }
    },
    release () {
      post(`${base}/release`, { key, engine_id: engineId }, AbortSignal.timeout(answerMs)).catch(() => {})
    }
  }
}

async function post (url: string, body: object, signal: AbortSignal): Promise<unknown> {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal })
  return await answer.json()
}

async function readJson (request: IncomingMessage): Promise<Record<string, unknown> | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > bodyLimit) return undefined
      chunks.push(chunk)
    }
    return record(JSON.parse(Buffer.concat(chunks).toString()))
  } catch {
    return undefined
  }
}

function send (response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function number (value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}
