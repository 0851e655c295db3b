// vLLM's NixlConnector: the decode worker fetches blocks that the prefill worker names; in push mode the prefill worker sends them.
import { locateFields, readString } from '../openai/locate.ts'
import { member } from './connector.ts'
import type { Plan } from './connector.ts'

const prefillParams = '{"do_remote_decode":true,"do_remote_prefill":false,"remote_engine_id":null,"remote_block_ids":null,"remote_host":null,"remote_port":null}'

/** Where a prefill worker that pushes can be reached; members of JSON text, as it told them. */
export type PushIdentity = string

const identityNames = ['remote_engine_id', 'remote_host', 'remote_port', 'tp_size'] as const
const returnedNames: ReadonlySet<string> = new Set([...identityNames, 'transfer_mode'])

/** The identity in what a prefill worker returned; undefined when it does not push. */
export function pushIdentity (returned: Buffer): PushIdentity | undefined {
  const fields = locateFields(returned, returnedNames)
  const mode = fields?.get('transfer_mode')
  if (fields === undefined || mode === undefined || readString(returned, mode) !== 'push') return undefined
  const members: string[] = []
  for (const name of identityNames) {
    const span = fields.get(name)
    if (span !== undefined) members.push(`"${name}":${returned.toString('utf8', span.start, span.end)}`)
  }
  return members.length === identityNames.length ? members.join() : undefined
}

/** Prefill, then decode with what the prefill worker returned, untouched. */
export const nixlPull: Plan = {
  connector: 'nixl',
  requestId: undefined,
  concurrent: false,
  portable: true,
  prefillParams,
  expectsParams: true,
  decodeParams: returned => returned
}

/**
 * Both at once, with a prefill worker whose identity is known. Blocks go to the request of the same id, so that one must be nobody
 * else's: clients choose their ids, and may choose another's.
 * @param hex some hex digits of chance
 */
export function nixlPush (identity: PushIdentity, requestId: string, hex: string): Plan {
  const legId = `${requestId}-${hex}`
  const params = `{"do_remote_prefill":true,"do_remote_decode":false,${identity},${member('remote_request_id', legId)}}`
  return {
    connector: 'nixl',
    requestId: legId,
    concurrent: true,
    portable: false,
    prefillParams,
    expectsParams: false,
    decodeParams: () => params
  }
}
