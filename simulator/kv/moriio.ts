// MoRI-IO: a transfer id made by the router, and addresses out of the request id; READ is one leg after the other, WRITE both at once.
import { channelSource } from './channel.ts'
import { baseUrl, EngineDeath, noSource, plain, remarkOn, text, whole } from './plan.ts'
import type { KvCall, KvPlan, KvSelf, Params } from './plan.ts'

/** The address that a MoRI-IO worker announces. */
export function moriioAddress (host: string, port: number): string {
  return `host:${host},handshake:${port},notify:${port}`
}

/** Reads a request. Throws EngineDeath where a real engine ends so. */
export function moriioPlan (call: KvCall, self: KvSelf): KvPlan {
  const { params } = call
  if (params === undefined || (params['do_remote_prefill'] !== true && params['do_remote_decode'] !== true)) return plain(self)
  const key = text(params, 'transfer_id')
  if (key === undefined) throw new EngineDeath()
  if (params['do_remote_prefill'] === true) return loadPlan(call, params, key, self)
  // both are looked up without asking whether they are there, and so is the decode's address
  if (!('remote_engine_id' in params) || !('remote_block_ids' in params)) throw new EngineDeath()
  peerOf(params, /___decode_addr_(.+)_[0-9a-f]{32}(?:-.*)?$/.exec(call.id)?.[1])
  return {
    ...remarkOn('prefill', self),
    handover: {
      keys: [key],
      answer: hold => ({
        do_remote_prefill: true,
        do_remote_decode: false,
        remote_block_ids: hold.blockIds,
        remote_engine_id: `${self.kvHost}:${self.port}`,
        remote_host: self.kvHost,
        remote_handshake_port: self.port,
        remote_notify_port: self.port,
        remote_dp_size: self.engineIds.length,
        tp_size: self.tpSize,
        transfer_id: key
      })
    }
  }
}

function loadPlan (call: KvCall, params: Params, key: string, self: KvSelf): KvPlan {
  const write = self.kvTransferMode === 'push'
  const blocks = params['remote_block_ids']
  if (!write && !(Array.isArray(blocks) && blocks.length > 0)) return { source: noSource('missing') }
  const base = peerOf(params, /___prefill_addr_(.+?)___decode_addr_/.exec(call.id)?.[1])
  const ranks = whole(params, 'remote_dp_size')
  const question = {
    key,
    waitMs: write ? self.kvLoadTimeoutMs : 0,
    // a decode of a WRITE speaks to one rank; READ asks all of them
    ...(write ? { rank: whole(params, 'remote_dp_rank') ?? 0 } : {}),
    ...(ranks === undefined ? {} : { ranks })
  }
  return { ...remarkOn('decode', self), source: channelSource(base, question) }
}

/** Where the other worker is: told in the parameters, or in the request id. */
function peerOf (params: Params, announced: string | undefined): string {
  const host = text(params, 'remote_host')
  const port = whole(params, 'remote_notify_port')
  if (host !== undefined && port !== undefined) return baseUrl(host, port)
  const [, named, notify] = /^host:(.+),handshake:\d+,notify:(\d+)$/.exec(announced ?? '') ?? []
  if (named === undefined || notify === undefined) throw new EngineDeath()
  return baseUrl(named, notify)
}
