// What a simulated worker's KV connector is, and which leg of a disaggregated request it is for.
import { parseHostPort } from '../../core/host-port.ts'

/** `both` takes either leg, and is no wrong place for any. */
export type KvRole = 'prefill' | 'decode' | 'both'

/** How blocks travel between workers, by vLLM's connectors. */
export type KvConnector = 'nixl' | 'mooncake' | 'moriio' | 'p2p-nccl'

/** Options of the KV connector; without `connector` none of them means anything, and `kv_transfer_params` are ignored as in vLLM. */
export interface KvOptions {
  readonly connector?: KvConnector
  /** Default `both`; P2pNccl and MoRI-IO workers are one or the other. */
  readonly role?: KvRole
  /** `pull` (default): the decode side fetches blocks, MoRI-IO's READ. `push`: legs run at the same time, MoRI-IO's WRITE; NIXL and MoRI-IO only. */
  readonly kvTransferMode?: 'pull' | 'push'
  /** What a decode does that cannot have its blocks: answer 500 (`fail`, default) or compute the prompt itself (`recompute`). */
  readonly kvLoadFailurePolicy?: 'fail' | 'recompute'
  /** Milliseconds after which a decode that does not have its blocks gives up, whatever is wrong; default 5000, about what vLLM takes. */
  readonly kvLoadTimeoutMs?: number
  /** Address that other workers reach this one at; default `127.0.0.1`. */
  readonly kvHost?: string
  /**
   * Port that other workers fetch blocks from, and that stands for NIXL's side channel, Mooncake's bootstrap server, MoRI-IO's handshake
   * and notify ports and P2pNccl's `kv_port`; default 0: any free one.
   */
  readonly kvPort?: number
  /** Tensor-parallel size it tells others; default 1. */
  readonly tpSize?: number
  /** `HOST:PORT` of a router to announce the worker to over ZMQ, again and again; P2pNccl and MoRI-IO only. Default: to nobody. */
  readonly register?: string
  /** Milliseconds between two announcements; default 3000, as in vLLM. */
  readonly registerIntervalMs?: number
  /** Called when a request came that would end a real engine's life; default: it is counted, and the worker goes on. */
  readonly onEngineDeath?: () => void
}

/** A connector's options with their defaults. */
export type KvSettings = Required<Omit<KvOptions, 'register' | 'onEngineDeath'>> & Pick<KvOptions, 'register' | 'onEngineDeath'>

const announcing: readonly KvConnector[] = ['moriio', 'p2p-nccl']

/** Options with defaults filled in; undefined without a connector. Throws a RangeError for what does not go together. */
export function kvSettings (options: KvOptions): KvSettings | undefined {
  const { connector, role = 'both', kvTransferMode = 'pull', register, onEngineDeath } = options
  if (connector === undefined) {
    if (options.role !== undefined || register !== undefined) throw new RangeError('role and register need a connector')
    return undefined
  }
  if (!['nixl', 'mooncake', 'moriio', 'p2p-nccl'].includes(connector)) throw new RangeError(`connector ${connector} is unknown`)
  const announces = announcing.includes(connector)
  if (announces && role === 'both') throw new RangeError(`a ${connector} worker has the role prefill or decode`)
  if (register !== undefined && parseHostPort(register) === undefined) throw new RangeError('register takes HOST:PORT')
  if (!announces && register !== undefined) throw new RangeError(`a ${connector} worker does not register`)
  if (kvTransferMode === 'push' && connector !== 'nixl' && connector !== 'moriio') throw new RangeError(`${connector} has no mode push`)
  const { kvLoadTimeoutMs = 5000, registerIntervalMs = 3000, tpSize = 1 } = options
  if (!(kvLoadTimeoutMs >= 0) || !(registerIntervalMs > 0) || !Number.isSafeInteger(tpSize) || tpSize < 1) throw new RangeError('kvLoadTimeoutMs, registerIntervalMs or tpSize makes no sense')
  return {
    connector,
    role,
    kvTransferMode,
    kvLoadFailurePolicy: options.kvLoadFailurePolicy ?? 'fail',
    kvLoadTimeoutMs,
    kvHost: options.kvHost ?? '127.0.0.1',
    kvPort: options.kvPort ?? 0,
    tpSize,
    registerIntervalMs,
    ...(register === undefined ? {} : { register }),
    ...(onEngineDeath === undefined ? {} : { onEngineDeath })
  }
}
