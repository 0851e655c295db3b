// One registration as a vLLM worker with the P2pNccl or MoRI-IO connector sends it, checked field by field.
import { formatHostPort, parseHostPort } from '../core/host-port.ts'
import type { HostPort } from '../core/host-port.ts'
import type { WorkerSpec } from '../core/worker.ts'

/** What a worker says of itself. */
export interface Registration {
  /** Where its KV connector listens, as written: what the worker is known by. */
  readonly zmqAddress: string
  /** Everything but the number of ranks, which may have to come from an option. */
  readonly spec: WorkerSpec & { readonly role: 'prefill' | 'decode', readonly connector: 'p2p-nccl' | 'moriio' }
  /** Hosts named in it: those of its HTTP and of its ZMQ address. */
  readonly hosts: ReadonlyArray<Pick<HostPort, 'host' | 'family'>>
}

/** More ranks, or tensor-parallel parts, than any server has. */
const mostParts = 1024

/** Reads a decoded message; a text says what is wrong with it, without repeating what came. Fields that are not known are let pass. */
export function readRegistration (message: unknown): Registration | string {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) return 'it is not a map'
  const fields = message as Readonly<Record<string, unknown>>
  const role = fields['type'] === 'P' ? 'prefill' : fields['type'] === 'D' ? 'decode' : undefined
  if (role === undefined) return 'type is neither P nor D'
  const http = addressOf(fields['http_address'])
  if (http === undefined) return 'http_address is not HOST:PORT'
  const zmqAddress = fields['zmq_address']
  const zmqHost = typeof zmqAddress === 'string' ? zmqHostOf(zmqAddress) : undefined
  if (typeof zmqAddress !== 'string' || zmqHost === undefined) return 'zmq_address is neither HOST:PORT nor host:…,handshake:…,notify:…'
  const mode = modeOf(fields['transfer_mode'])
  if (mode === 'unknown') return 'transfer_mode is neither READ nor WRITE'
  const tpSize = partsOf(fields['tp_size'])
  if (tpSize === 'unknown') return 'tp_size is not a small whole number'
  const dpSize = partsOf(fields['dp_size'])
  if (dpSize === 'unknown') return 'dp_size is not a small whole number'
  return {
    zmqAddress,
    hosts: [http, zmqHost],
    spec: {
      url: `http://${formatHostPort(http)}`,
      role,
      zmqAddress,
      // only MoRI-IO says in which way blocks travel
      connector: mode === undefined ? 'p2p-nccl' : 'moriio',
      ...(mode === undefined ? {} : { transferMode: mode }),
      ...(tpSize === undefined ? {} : { tpSize }),
      ...(dpSize === undefined ? {} : { dpSize })
    }
  }
}

function addressOf (value: unknown): HostPort | undefined {
  const address = typeof value === 'string' ? parseHostPort(value) : undefined
  return address === undefined || address.port === 0 ? undefined : address
}

/** The host of `ip:port`, or of MoRI-IO's `host:ip,handshake:port,notify:port`; undefined for any other text. */
function zmqHostOf (text: string): HostPort | undefined {
  const plain = addressOf(text)
  if (plain !== undefined) return plain
  const parts = new Map(text.split(',', 4).map(part => [part.slice(0, part.indexOf(':')), part.slice(part.indexOf(':') + 1)]))
  const [handshake, notify] = ['handshake', 'notify'].map(name => addressOf(`${parts.get('host')}:${parts.get(name)}`))
  return parts.size === 3 && notify !== undefined ? handshake : undefined
}

function modeOf (value: unknown): 'READ' | 'WRITE' | 'unknown' | undefined {
  if (value === undefined || value === null) return undefined
  const mode = typeof value === 'string' ? value.toUpperCase() : ''
  return mode === 'READ' || mode === 'WRITE' ? mode : 'unknown'
}

function partsOf (value: unknown): number | 'unknown' | undefined {
  if (value === undefined || value === null) return undefined
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= mostParts ? value : 'unknown'
}
