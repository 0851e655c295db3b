// Mooncake: both legs carry a transfer id made by the router; the decode finds the prefill's engine by its bootstrap server.
import { channelSource } from './channel.ts'
import { noSource, plain, remarkOn, text } from './plan.ts'
import type { KvCall, KvPlan, KvSelf } from './plan.ts'

/** Reads a request. */
export function mooncakePlan ({ params }: KvCall, self: KvSelf): KvPlan {
  if (params?.['do_remote_prefill'] !== true && params?.['do_remote_decode'] !== true) return plain(self)
  const key = text(params, 'transfer_id')
  if (params['do_remote_decode'] === true) {
    // its answer tells nothing: the decode knows all it needs from the router
    return key === undefined ? { remark: 'missing' } : { ...remarkOn('prefill', self), handover: { keys: [key], answer: () => null } }
  }
  const engineId = text(params, 'remote_engine_id')
  const address = text(params, 'remote_bootstrap_addr')
  if (key === undefined || engineId === undefined || address === undefined) return { source: noSource('missing') }
  const base = address.includes('://') ? address.replace(/\/+$/, '') : `http://${address}`
  // a real prefill worker waits for the decode, and the decode for it, whoever comes first
  return { ...remarkOn('decode', self), source: channelSource(base, { key, engineId, waitMs: self.kvLoadTimeoutMs }) }
}
