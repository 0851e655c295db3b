// The source for vLLM workers that announce themselves over ZMQ: those with the P2pNccl and the MoRI-IO connector.
import type { Router } from 'zeromq'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { formatHostPort, parseHostPort } from '../core/host-port.ts'
import type { HostPort } from '../core/host-port.ts'
import type { WorkerSpec } from '../core/worker.ts'
import type { DiscoverySource, SourceHealth } from './discovery.ts'
import { LimitedLog } from './limited-log.ts'
import type { SourceLog } from './limited-log.ts'
import { Registrations } from './registrations.ts'
import { ZmtpDoor } from './zmtp-door.ts'

/** Options of the source. */
export interface P2pNcclOptions {
  /** `HOST:PORT` to listen on; port 0 takes any free one. */
  readonly address: string
  /** Workers known at most, data-parallel ranks counted one by one. Default 4,096. */
  readonly maxWorkers?: number
  /** IP addresses and networks that the addresses of workers must lie in. Default: any. */
  readonly allow?: readonly string[]
  /** Data-parallel ranks of workers that do not tell their number; only MoRI-IO does. Default 1. */
  readonly ranks?: { readonly prefill?: number, readonly decode?: number }
  readonly clock?: Clock
  /** Gets a few lines in 10 s at most. Default: nobody. */
  readonly log?: SourceLog
}

/** Longest message taken, in bytes; a peer that sends a longer one is disconnected. Announcements have about 150. */
const maxMessageSize = 4096
/** Messages that wait for one peer; then its connection is not read any further. */
const receiveHighWaterMark = 16
/** A peer that says nothing for so long is disconnected; workers announce themselves every 3 s, and come again by themselves. */
const idleMs = 30_000
/** Messages looked at in one slice of time, and its length: 10,000 a second, where 4,096 workers send 1,365. */
const messagesPerSlice = 100
const sliceMs = 10

const meanings: Readonly<Record<string, string>> = {
  EADDRINUSE: 'it is in use by another process',
  EACCES: 'that needs more rights',
  EADDRNOTAVAIL: 'it is no address of this machine',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name is not known'
}

/** Listens for announcements and states the workers that are heard of; `zeromq` is loaded by `start` only. */
export class P2pNcclSource implements DiscoverySource {
  readonly name = 'zmq'
  readonly registrations: Registrations
  private readonly address: HostPort
  private readonly maxConnections: number
  private readonly clock: Clock
  private readonly log: LimitedLog
  private tell: ((specs: readonly WorkerSpec[]) => void) | undefined
  private socket: Router | undefined
  private door: ZmtpDoor | undefined
  private reading: Promise<void> = Promise.resolve()
  private trouble: string | undefined

  /** @throws RangeError for an address or a network that is none */
  constructor (options: P2pNcclOptions) {
    const address = parseHostPort(options.address)
    if (address === undefined) throw new RangeError(`not HOST:PORT: ${options.address}`)
    const { maxWorkers = 4096 } = options
    this.address = address
    this.maxConnections = maxWorkers
    this.clock = options.clock ?? systemClock
    this.log = new LimitedLog(options.log, this.clock)
    this.registrations = new Registrations({
      clock: this.clock,
      maxWorkers,
      allow: options.allow ?? [],
      ranks: { prefill: options.ranks?.prefill ?? 1, decode: options.ranks?.decode ?? 1 },
      state: specs => this.tell?.(specs)
    })
    this.registrations.on('refused', (reason, detail) => this.log.warn({ source: this.name, reason }, `registration refused: ${detail}`))
    this.registrations.on('step', (step, { url, role }) => {
      if (step !== 'renewed') this.log.info({ source: this.name, worker: url, role }, `registration ${step}`)
    })
  }

  /** `HOST:PORT` it listens on; undefined while it does not. */
  endpoint: string | undefined

  /** @throws Error that names option and value when the address cannot be listened on */
  async start (state: (specs: readonly WorkerSpec[]) => void): Promise<void> {
    const [{ Router }, { decode }] = await Promise.all([import('zeromq'), import('@msgpack/msgpack')])
    // a worker that comes back before its old connection is known to be dead keeps its identity
    const socket = new Router({ linger: 0, maxMessageSize, receiveHighWaterMark, handover: true })
    const door = new ZmtpDoor({ maxMessageBytes: maxMessageSize, maxConnections: this.maxConnections, idleMs })
    try {
      await socket.bind('tcp://127.0.0.1:*')
      const { address, port, family } = await door.listen(this.address, Number(/:(\d+)$/.exec(socket.lastEndpoint ?? '')?.[1]))
      this.endpoint = formatHostPort({ host: address, port, family: family === 'IPv6' ? 6 : 4 })
    } catch (error) {
      socket.close()
      const code = error instanceof Error && 'code' in error ? String(error.code) : ''
      const why = meanings[code] ?? (error instanceof Error ? error.message : String(error))
      throw new Error(`--vllm-discovery-address ${formatHostPort(this.address)} cannot be listened on: ${why}`, { cause: error })
    }
    this.door = door
    this.socket = socket
    this.tell = state
    this.trouble = undefined
    const read = (payload: Buffer): unknown => decode(payload, { maxStrLength: 1024, maxBinLength: 1024, maxArrayLength: 64, maxMapLength: 64, maxExtLength: 64 })
    this.reading = this.receive(socket, read).catch((error: unknown) => {
      this.trouble = error instanceof Error ? error.message : String(error)
      this.log.warn({ source: this.name, err: error }, 'no registrations are received any more')
    })
  }

  async stop (): Promise<void> {
    this.tell = undefined
    this.endpoint = undefined
    await this.door?.close()
    this.door = undefined
    this.socket?.close()
    this.socket = undefined
    this.registrations.clear()
    await this.reading
  }

  health (): SourceHealth {
    if (this.trouble !== undefined) return { ok: false, detail: this.trouble }
    let known = 0
    for (const count of this.registrations.known().values()) known += count
    return this.socket === undefined ? { ok: false, detail: 'not listening' } : { ok: true, detail: `${known} registered` }
  }

  private async receive (socket: Router, read: (payload: Buffer) => unknown): Promise<void> {
    let left = messagesPerSlice
    let sliceEnd = this.clock.now() + sliceMs
    for await (const frames of socket) {
      this.message(frames, read)
      if (--left > 0) continue
      // a flood waits in the socket, where it is bounded, and the router goes on with its work
      const pause = sliceEnd - this.clock.now()
      if (pause > 0) await new Promise<void>(resolve => { this.clock.after(pause, resolve) })
      if (socket.closed) return
      left = messagesPerSlice
      sliceEnd = this.clock.now() + sliceMs
    }
  }

  private message (frames: readonly Buffer[], read: (payload: Buffer) => unknown): void {
    const payload = frames[1]
    if (payload === undefined || frames.length !== 2) return this.registrations.refuse('malformed', 'it is not one frame')
    let message: unknown
    try {
      message = read(payload)
    } catch {
      return this.registrations.refuse('malformed', 'it is not msgpack')
    }
    this.registrations.take(message)
  }
}
