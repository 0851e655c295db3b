// vLLM's P2pNcclConnector: the request id itself tells both sides where the other one is; the bodies name no transfer.
import { addressedId } from './connector.ts'
import type { Plan } from './connector.ts'

/** What a P2pNccl transfer needs. */
export interface P2pNcclPair {
  /** Where the connectors of both sides listen, as `ip:port`. */
  readonly prefillAddress: string
  readonly decodeAddress: string
  /** 32 hex digits. */
  readonly hex: string
}

/** Prefill, which sends the blocks to the decode worker as it makes them, then decode on that worker. */
export function p2pNccl ({ prefillAddress, decodeAddress, hex }: P2pNcclPair): Plan {
  return {
    connector: 'p2p-nccl',
    requestId: addressedId(prefillAddress, decodeAddress, hex),
    concurrent: false,
    portable: false,
    prefillParams: undefined,
    expectsParams: false,
    decodeParams: () => undefined
  }
}
