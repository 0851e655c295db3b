// vLLM's MoRIIOConnector, as far as its parameters are known: a transfer made up here, and a request id that tells both sides where the
// other one is. Never tried on its hardware.
import { addressedId, member } from './connector.ts'
import type { Plan } from './connector.ts'
import { edits, splice } from './splice.ts'

/** One side of a transfer, as it announced itself. */
export interface MoriioSide {
  /** Where its connector listens: `host:…,handshake:…,notify:…`. */
  readonly address: string
  readonly tpSize: number
  readonly dpSize: number
  /** Its data-parallel rank that takes part. */
  readonly rank: number
}

/** What a MoRI-IO transfer needs. */
export interface MoriioPair {
  /** `READ`: the decode worker fetches the blocks. `WRITE`: the prefill worker sends them, while both legs run. */
  readonly mode: 'READ' | 'WRITE'
  readonly prefill: MoriioSide
  readonly decode: MoriioSide
  /** 32 hex digits. */
  readonly hex: string
}

/** What either side is told about the other. */
function remote ({ tpSize, dpSize, rank }: MoriioSide): string {
  const sizes = `${member('remote_dp_size', dpSize)},${member('remote_tp_size', tpSize)}`
  return dpSize > 1 ? `${sizes},${member('remote_dp_rank', rank)}` : sizes
}

/** A plan for either mode. */
export function moriio ({ mode, prefill, decode, hex }: MoriioPair): Plan {
  const transfer = `"remote_engine_id":null,"remote_block_ids":null,${member('transfer_id', `tx-${hex}`)}`
  const common = { connector: 'moriio', requestId: addressedId(prefill.address, decode.address, hex), portable: false } as const
  if (mode === 'READ') {
    const size = edits({ remote_dp_size: { set: String(prefill.dpSize) } })
    return {
      ...common,
      concurrent: false,
      prefillParams: `{"do_remote_decode":true,"do_remote_prefill":false,${transfer},${member('remote_dp_size', decode.dpSize)}}`,
      expectsParams: true,
      decodeParams: returned => returned && splice(returned, size)
    }
  }
  const params = `{"do_remote_decode":false,"do_remote_prefill":true,${transfer},${remote(prefill)}}`
  return {
    ...common,
    concurrent: true,
    prefillParams: `{"do_remote_decode":true,"do_remote_prefill":false,${transfer},${remote(decode)}}`,
    expectsParams: false,
    decodeParams: () => params
  }
}
