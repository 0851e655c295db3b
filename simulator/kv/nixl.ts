// NIXL: the prefill's answer names engine, request and blocks, and the decode reads them from there; in push mode both run at once.
import { channelSource } from './channel.ts'
import { baseUrl, EngineDeath, EngineHang, plain, remarkOn, text, whole } from './plan.ts'
import type { Handover, KvCall, KvPlan, KvSelf, Params } from './plan.ts'

/** Reads a request. Throws EngineDeath or EngineHang where a real engine ends so. */
export function nixlPlan (call: KvCall, self: KvSelf): KvPlan {
  const { params } = call
  if (params?.['do_remote_prefill'] === true) return loadPlan(call, params, self)
  if (params?.['do_remote_decode'] === true) return { ...remarkOn('prefill', self), handover: handover(call, self) }
  return plain(self)
}

function handover (call: KvCall, self: KvSelf): Handover {
  return {
    // a push is asked for by the id that both legs came with
    keys: [call.engineId, call.id],
    answer: (hold, cachedTokens) => ({
      do_remote_prefill: true,
      do_remote_decode: false,
      remote_block_ids: [hold.blockIds],
      remote_engine_id: self.engineIds[call.rank],
      remote_request_id: call.engineId,
      remote_host: self.kvHost,
      remote_port: self.port,
      tp_size: self.tpSize,
      dcp_size: 1,
      pp_size: 1,
      remote_num_tokens: hold.tokens,
      remote_blocks_expiry_time: null,
      transfer_mode: self.kvTransferMode,
      remote_prefill_cached_tokens: cachedTokens
    })
  }
}

function loadPlan (call: KvCall, params: Params, self: KvSelf): KvPlan {
  const push = self.kvTransferMode === 'push'
  const blocks = params['remote_block_ids']
  if (!push && !(Array.isArray(blocks) && blocks.length > 0)) throw new EngineDeath()
  const needed = ['remote_engine_id', 'remote_host', 'remote_port', push ? 'tp_size' : 'remote_request_id']
  if (needed.some(name => params[name] === undefined)) throw push ? new EngineDeath() : new EngineHang()
  const engineId = text(params, 'remote_engine_id') ?? ''
  const key = text(params, 'remote_request_id') ?? call.id
  const base = baseUrl(text(params, 'remote_host') ?? '', whole(params, 'remote_port') ?? '')
  const cachedTokens = whole(params, 'remote_prefill_cached_tokens')
  return {
    ...remarkOn('decode', self),
    source: channelSource(base, { key, engineId, waitMs: push ? self.kvLoadTimeoutMs : 0 }),
    ...(cachedTokens === undefined ? {} : { cachedTokens })
  }
}
