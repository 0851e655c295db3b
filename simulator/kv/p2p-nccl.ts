// P2pNccl: the request id names both workers' ZMQ addresses; the prefill sends its blocks to the decode, which waits for them.
import { letterName } from './mail.ts'
import type { Mail } from './mail.ts'
import { EngineDeath } from './plan.ts'
import type { KvCall, KvPlan, KvSelf } from './plan.ts'

/** Reads a request; `kv_transfer_params` mean nothing. Throws EngineDeath for an id without addresses. */
export function p2pNcclPlan (call: KvCall, self: KvSelf, mail: Mail): KvPlan {
  if (self.role === 'prefill') {
    const [, host, port] = /___decode_addr_(.*):(\d+)/.exec(call.id) ?? []
    if (host === undefined) throw new EngineDeath()
    return { handover: { keys: [], sendTo: `${host}:${port}`, answer: () => null } }
  }
  const [, host, port] = /___prefill_addr_(.*):(\d+)___/.exec(call.id) ?? []
  if (host === undefined) throw new EngineDeath()
  const remote = `${host}:${port}`
  return { source: { remote, fetch: (mark, signal, choice) => mail.wait(letterName(call.id, choice), remote, mark, self.kvLoadTimeoutMs, signal) } }
}
