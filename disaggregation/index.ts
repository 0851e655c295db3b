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

/** The connector a prefill worker uses. */
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
      return identity === undefined ? nixlPull : nixlPush(identity, requestId)
    }
    case 'mooncake': {
      const engineId = context.engineOf(prefill)
      return engineId === undefined
        ? undefined
        : mooncake({ engineId, bootstrapAddress: bootstrapAddress(prefill.url, prefill.spec.bootstrapPort), uuid: context.uuid() })
    }
    case 'moriio': {
      const mode = prefill.spec.transferMode ?? 'READ'
      return mode === 'WRITE' && !concurrent ? undefined : moriio({ mode, prefill: sideOf(prefill), decode: sideOf(decode), hex: hex(context) })
    }
    case 'p2p-nccl':
      return p2pNccl({ prefillAddress: addressOf(prefill), decodeAddress: addressOf(decode), hex: hex(context) })
  }
}

function hex ({ uuid }: PlanContext): string {
  return uuid().replaceAll('-', '')
}

/** A worker somebody wrote down told no address of its connector. */
function addressOf ({ spec, origin }: Worker): string {
  return spec.zmqAddress ?? new URL(origin).host
}

function sideOf ({ spec, rank }: Worker): MoriioSide {
  return { tpSize: spec.tpSize ?? 1, dpSize: spec.dpSize ?? spec.ranks ?? 1, rank: rank ?? 0 }
}

export type { ConnectorName, Plan } from './connector.ts'
export type { PushIdentity } from './nixl.ts'
