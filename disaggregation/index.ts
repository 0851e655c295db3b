// Which connector moves the KV cache between two workers, and what must be known of them for it.
import type { Worker } from '../core/worker.ts'
import type { ConnectorName, Plan } from './connector.ts'
import { bootstrapAddress, mooncake } from './mooncake.ts'
import { moriio } from './moriio.ts'
import type { MoriioSide } from './moriio.ts'
import { nixlPull, nixlPush } from './nixl.ts'
import type { PushIdentity } from './nixl.ts'
import { p2pNccl } from './p2p-nccl.ts'

/** A connector, or `auto`: as the prefill worker announced itself. */
export type ConnectorChoice = ConnectorName | 'auto'

/** What the router has learned of prefill workers, and chance. */
export interface PlanContext {
  readonly choice: ConnectorChoice
  /** How to reach a prefill worker that pushes (NIXL); undefined until it is known, or when it does not push. */
  readonly identityOf: (worker: Worker) => PushIdentity | undefined
  /** A prefill worker's engine (Mooncake); undefined until it is known. */
  readonly engineOf: (worker: Worker) => string | undefined
  /** A new UUID. */
  readonly uuid: () => string
}

/** The connector a worker uses. */
export function connectorOf ({ spec }: Worker, choice: ConnectorChoice): ConnectorName {
  if (choice !== 'auto') return choice
  return spec.connector ?? (spec.bootstrapPort === undefined ? 'nixl' : 'mooncake')
}

/**
 * How a request goes through these two workers; undefined when what it takes is not known yet, or they cannot do it so.
 * @param concurrent whether the legs may run at the same time
 */
export function planFor (prefill: Worker, decode: Worker, requestId: string, concurrent: boolean, context: PlanContext): Plan | undefined {
  switch (connectorOf(prefill, context.choice)) {
    case 'nixl': {
      const identity = concurrent ? context.identityOf(prefill) : undefined
      return identity === undefined ? nixlPull : nixlPush(identity, requestId, hex(context).slice(0, 16))
    }
    case 'mooncake': {
      const engineId = context.engineOf(prefill)
      return engineId === undefined
        ? undefined
        : mooncake({ engineId, bootstrapAddress: bootstrapAddress(prefill.url, prefill.spec.bootstrapPort), uuid: context.uuid() })
    }
    case 'moriio': {
      const mode = prefill.spec.transferMode ?? 'READ'
      const [from, to] = [sideOf(prefill), sideOf(decode)]
      if (from === undefined || to === undefined || (mode === 'WRITE' && !concurrent)) return undefined
      return moriio({ mode, prefill: from, decode: to, hex: hex(context) })
    }
    case 'p2p-nccl': {
      const [prefillAddress, decodeAddress] = [prefill.spec.zmqAddress, decode.spec.zmqAddress]
      return prefillAddress === undefined || decodeAddress === undefined ? undefined : p2pNccl({ prefillAddress, decodeAddress, hex: hex(context) })
    }
  }
}

/**
 * Whether a decode worker serves a request that no prefill worker began. Those of P2pNccl and MoRI-IO take every request for one
 * half of a pair: without the other half the engine ends, or makes tokens out of nothing.
 */
export function servesAlone (decode: Worker, choice: ConnectorChoice): boolean {
  const connector = connectorOf(decode, choice)
  return connector !== 'p2p-nccl' && connector !== 'moriio'
}

/** Whether the connector moves each sequence of a request by itself, so that one request may have several. */
export function movesEverySequence (decode: Worker, choice: ConnectorChoice): boolean {
  return connectorOf(decode, choice) === 'p2p-nccl'
}

function hex ({ uuid }: PlanContext): string {
  return uuid().replaceAll('-', '')
}

function sideOf ({ spec, rank }: Worker): MoriioSide | undefined {
  const { zmqAddress: address, tpSize = 1, dpSize = spec.ranks ?? 1 } = spec
  return address === undefined ? undefined : { address, tpSize, dpSize, rank: rank ?? 0 }
}

export type { ConnectorName, Plan } from './connector.ts'
export type { PushIdentity } from './nixl.ts'
