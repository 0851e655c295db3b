// What a KV connector is to the router: how the two legs of a request name the transfer between them.
import type { Json } from './splice.ts'

/** Connectors by name. */
export type ConnectorName = 'nixl' | 'mooncake' | 'moriio' | 'p2p-nccl'

/** How one request goes through a prefill and a decode worker. */
export interface Plan {
  readonly connector: ConnectorName
  /** `X-Request-Id` of both legs where it cannot be the request's own id. */
  readonly requestId: string | undefined
  /** Both legs go out at the same time: the decode worker waits for what the prefill worker sends it. */
  readonly concurrent: boolean
  /** Another decode worker than the planned one can take the KV cache, as long as it is certain that this one did not begin to. */
  readonly portable: boolean
  /** `kv_transfer_params` of the prefill leg; undefined where the connector has none. */
  readonly prefillParams: string | undefined
  /** The decode leg needs what the prefill worker returned. */
  readonly expectsParams: boolean
  /** `kv_transfer_params` of the decode leg, from what the prefill worker returned; undefined when the leg goes without. */
  decodeParams (returned: Buffer | undefined): Json | undefined
}

/** A member of JSON text: its key and its value, ready to be put into an object. */
export function member (key: string, value: string | number | boolean | null): string {
  return `${JSON.stringify(key)}:${JSON.stringify(value)}`
}

/** The request id by which P2pNccl and MoRI-IO know where the other side's connector listens; they read it out of the engine's own id. */
export function addressedId (prefillAddress: string, decodeAddress: string, hex: string): string {
  return `___prefill_addr_${prefillAddress}___decode_addr_${decodeAddress}_${hex}`
}
