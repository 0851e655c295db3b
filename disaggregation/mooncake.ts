// vLLM's MooncakeConnector: both legs name a transfer made up here; the decode worker finds the prefill worker by its bootstrap server.
import { member } from './connector.ts'
import type { Plan } from './connector.ts'

/** Port of a bootstrap server that named none. */
export const defaultBootstrapPort = 8998

/** What a Mooncake transfer needs. */
export interface MooncakePair {
  /** Base URL of the prefill worker's bootstrap server. */
  readonly bootstrapAddress: string
  /** The engine there, as the bootstrap server names it. */
  readonly engineId: string
  readonly uuid: string
}

/** Base URL of the bootstrap server on a worker's host. */
export function bootstrapAddress (workerUrl: string, port: number | undefined): string {
  return `http://${new URL(workerUrl).hostname}:${port ?? defaultBootstrapPort}`
}

/** Prefill, then decode. */
export function mooncake ({ bootstrapAddress, engineId, uuid }: MooncakePair): Plan {
  const transfer = member('transfer_id', `xfer-${uuid}`)
  const params = `{"do_remote_decode":false,"do_remote_prefill":true,${transfer},${member('remote_bootstrap_addr', bootstrapAddress)},${member('remote_engine_id', engineId)}}`
  return {
    connector: 'mooncake',
    requestId: undefined,
    concurrent: false,
    portable: true,
    prefillParams: `{"do_remote_decode":true,"do_remote_prefill":false,${transfer}}`,
    expectsParams: false,
    decodeParams: () => params
  }
}
