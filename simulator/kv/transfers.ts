// The KV side of one simulated worker: reads what a request says about blocks, has them fetched, kept or sent, and counts what became of it.
import { randomUUID } from 'node:crypto'
import type { Clock } from '../../core/clock.ts'
import type { EngineHandle, Load } from '../sequence.ts'
import { record } from '../json.ts'
import { announce } from './announce.ts'
import { KvChannel } from './channel.ts'
import { letterName, Mail } from './mail.ts'
import { mooncakePlan } from './mooncake.ts'
import { moriioAddress, moriioPlan } from './moriio.ts'
import { nixlPlan } from './nixl.ts'
import { KvOffers } from './offers.ts'
import type { KvSettings } from './settings.ts'
import { p2pNcclPlan } from './p2p-nccl.ts'
import { EngineDeath, EngineHang, markOf, transferResults } from './plan.ts'
import type { KvCall, KvPlan, KvSelf, Source, TransferResult } from './plan.ts'

/** One leg as it went, for tests and people. */
export interface TransferRecord {
  /** What came as `X-Request-Id`. */
  readonly id: string
  readonly leg: 'prefill' | 'decode' | 'plain'
  readonly rank: number
  readonly result: TransferResult | 'kept' | 'sent'
  /** The other worker, as far as it is known. */
  readonly remote?: string
}

/** What one request needs of the KV side, for the engine that runs it. */
export interface KvLeg {
  readonly keepBlocks: boolean
  /** For `usage`, where the prefill worker told it. */
  readonly cachedTokens: number | undefined
  /** `choice` counts the answers of one request. */
  load (prompt: readonly number[], choice: number): Load | undefined
  /** A choice has ended by itself; gives what the answer shows as `kv_transfer_params`. */
  finished (prompt: readonly number[], handle: EngineHandle, choice: number): object | null
}

/** Records kept. */
const recorded = 1000
const good: readonly TransferResult[] = ['ok', 'repeated']

/** One worker's KV side. */
export class KvTransfers {
  readonly results = new Map<TransferResult, number>(transferResults.map(result => [result, 0]))
  /** The last legs, oldest first. */
  readonly records: TransferRecord[] = []
  /** Requests that would have ended a real engine's life. */
  deaths = 0
  private readonly settings: KvSettings
  private readonly clock: Clock
  private readonly alive: () => boolean
  private readonly engineIds: readonly string[]
  private readonly offers: KvOffers
  private readonly channel: KvChannel
  private readonly mail: Mail
  private port = 0
  private unannounce: (() => void) | undefined
  private stopped = false

  /** `alive` is false while the worker plays dead. */
  constructor (settings: KvSettings, ranks: number, clock: Clock, alive: () => boolean) {
    const id = randomUUID()
    this.settings = settings
    this.clock = clock
    this.alive = alive
    this.engineIds = ranks === 1 ? [id] : Array.from({ length: ranks }, (_, rank) => `${id}_dp${rank}`)
    this.offers = new KvOffers(this.engineIds, clock)
    this.channel = new KvChannel(this.offers, this.engineIds, alive)
    this.mail = new Mail(clock, alive)
  }

  /** Begins to listen for other workers. */
  async start (): Promise<void> {
    const { connector, kvHost, kvPort } = this.settings
    this.port = connector === 'p2p-nccl' ? await this.mail.open(kvHost, kvPort) : await this.channel.listen(kvHost, kvPort)
  }

  /** Announces the worker, whose HTTP server listens on `httpPort`, where a router was named. */
  async announce (httpPort: number): Promise<void> {
    const { connector, role, kvHost, kvTransferMode, tpSize, register, registerIntervalMs } = this.settings
    if (register === undefined) return
    const moriio = connector === 'moriio'
    const zmqAddress = moriio ? moriioAddress(kvHost, this.port) : this.mail.address
    const end = await announce({
      to: register,
      ...(moriio ? {} : { identity: zmqAddress }),
      message: {
        type: role === 'prefill' ? 'P' : 'D',
        http_address: `${kvHost}:${httpPort}`,
        zmq_address: zmqAddress,
        ...(moriio ? { dp_size: this.engineIds.length, tp_size: tpSize, transfer_mode: kvTransferMode === 'push' ? 'WRITE' : 'READ' } : {})
      },
      intervalMs: registerIntervalMs,
      clock: this.clock,
      alive: this.alive
    })
    if (this.stopped) end()
    else this.unannounce = end
  }

  async stop (): Promise<void> {
    this.stopped = true
    this.unannounce?.()
    if (this.settings.connector === 'p2p-nccl') await this.mail.close()
    else await this.channel.close()
  }

  /** What `GET /_simulator/kv` shows. */
  state (): object {
    const { connector, role, kvHost } = this.settings
    return {
      connector,
      role,
      host: kvHost,
      port: this.port,
      engine_ids: this.engineIds,
      results: Object.fromEntries(this.results),
      engine_deaths: this.deaths,
      unclaimed: this.mail.size,
      records: this.records
    }
  }

  /** Blocks that were sent here and that no request has come for. */
  get unclaimed (): number {
    return this.mail.size
  }

  /** Port that other workers fetch blocks from. */
  get kvPort (): number {
    return this.port
  }

  /**
   * Reads a request's body. Throws EngineDeath for one that would end a real engine's life, and EngineHang for one that is never answered.
   * @param id what came as `X-Request-Id`
   * @param kind what stands before the id inside the engine, such as `chatcmpl`
   */
  leg (id: string, kind: string, rank: number, body: Record<string, unknown>): KvLeg {
    const call: KvCall = { id, engineId: `${kind}-${id}-${randomUUID().slice(0, 8)}`, rank, params: record(body['kv_transfer_params']) }
    const plan = this.plan(call)
    if (plan.remark !== undefined) this.count(call, plan.source !== undefined ? 'decode' : plan.handover !== undefined ? 'prefill' : 'plain', plan.remark)
    return {
      keepBlocks: plan.handover !== undefined,
      cachedTokens: plan.cachedTokens,
      load: (prompt, choice) => plan.source === undefined ? undefined : this.load(call, plan.source, prompt, choice),
      finished: (prompt, handle, choice) => this.handOver(call, plan, prompt, handle, choice)
    }
  }

  /** An engine would be dead now. */
  died (): void {
    this.deaths++
    this.settings.onEngineDeath?.()
  }

  private plan (call: KvCall): KvPlan {
    const self: KvSelf = { ...this.settings, port: this.port, engineIds: this.engineIds }
    try {
      switch (this.settings.connector) {
        case 'nixl': return nixlPlan(call, self)
        case 'mooncake': return mooncakePlan(call, self)
        case 'moriio': return moriioPlan(call, self)
        case 'p2p-nccl': return p2pNcclPlan(call, self, this.mail)
      }
    } catch (error) {
      if (error instanceof EngineDeath) this.died()
      if (error instanceof EngineDeath || error instanceof EngineHang) this.count(call, 'plain', 'missing')
      throw error
    }
  }

  private load (call: KvCall, source: Source, prompt: readonly number[], choice: number): Load {
    const { kvLoadTimeoutMs, kvLoadFailurePolicy } = this.settings
    const left = new AbortController()
    // until it is known better there may be blocks there for this request
    let theirs = true
    return {
      orElse: kvLoadFailurePolicy,
      start: done => {
        const startedAt = this.clock.now()
        void source.fetch(markOf(prompt), left.signal, choice).then(result => {
          theirs = result === 'ok'
          if (left.signal.aborted) return
          this.count(call, 'decode', result, source.remote)
          if (good.includes(result)) done(true)
          // a real engine notices late, whatever is wrong
          else this.clock.after(Math.max(0, startedAt + kvLoadTimeoutMs - this.clock.now()), () => done(false))
        })
      },
      end () {
        left.abort()
        if (theirs) source.release?.()
      }
    }
  }

  private handOver (call: KvCall, { handover }: KvPlan, prompt: readonly number[], { hold, cachedTokens }: EngineHandle, choice: number): object | null {
    if (handover === undefined || hold === undefined) return null
    const mark = markOf(prompt)
    const { sendTo } = handover
    if (sendTo === undefined) {
      this.offers.add(handover.keys, { rank: call.rank, hold, mark })
      this.note({ id: call.id, leg: 'prefill', rank: call.rank, result: 'kept' })
    } else {
      void this.mail.send(sendTo, letterName(call.id, choice), mark, this.settings.kvLoadTimeoutMs).then(arrived => {
        hold.release()
        if (arrived) this.note({ id: call.id, leg: 'prefill', rank: call.rank, result: 'sent', remote: sendTo })
        else this.count(call, 'prefill', 'unreachable', sendTo)
      })
    }
    return handover.answer(hold, cachedTokens)
  }

  private count ({ id, rank }: KvCall, leg: TransferRecord['leg'], result: TransferResult, remote?: string): void {
    this.results.set(result, (this.results.get(result) ?? 0) + 1)
    this.note({ id, leg, rank, result, ...(remote === undefined ? {} : { remote }) })
  }

  private note (entry: TransferRecord): void {
    this.records.push(entry)
    if (this.records.length > recorded) this.records.shift()
  }
}
