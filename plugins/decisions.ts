// Keeps the last choices of workers with what became of them; watches calls, and nobody depends on it.
import fp from 'fastify-plugin'
import type { FastifyPluginCallback } from 'fastify'
import { DecisionRing } from '../core/decision-ring.ts'
import type { DecisionSlot } from '../core/decision-ring.ts'
import type { Call } from './call.ts'

/** Options of the decisions plugin. */
export interface DecisionsOptions {
  /** Choices kept; 0 keeps none and costs nothing. Default 1000. */
  decisionRingSize?: number
}

/** Which choices are asked for. */
export interface DecisionFilter {
  /** A worker's id, URL (all ranks of it) or alias. */
  readonly worker?: string | undefined
  readonly requestId?: string | undefined
  /** Most choices. Default all that are kept. */
  readonly limit?: number | undefined
}

/** Choices that were asked for, newest first. */
export interface DecisionPage {
  readonly decisions: readonly DecisionSlot[]
  /** Choices kept now, and at most. */
  readonly kept: number
  readonly size: number
}

/** Of a router that keeps none. */
export const emptyPage: DecisionPage = { decisions: [], kept: 0, size: 0 }

/** Pages of several routers as one. */
export function joinPages (pages: readonly DecisionPage[], { limit = Infinity }: DecisionFilter): DecisionPage {
  return {
    decisions: pages.flatMap(({ decisions }) => decisions).sort((one, other) => other.at - one.at).slice(0, limit),
    kept: pages.reduce((sum, { kept }) => sum + kept, 0),
    size: pages.reduce((sum, { size }) => sum + size, 0)
  }
}

/** What the plugin decorates the instance with. */
export interface Decisions {
  /** Asks the other processes of this router, where there are any. */
  others: ((filter: DecisionFilter) => Promise<DecisionPage>) | undefined
  /** Those of this process. A slot is used again for a later choice: what is to stay must be copied at once. */
  page (filter?: DecisionFilter): DecisionPage
  /** Changes options while the router runs; another size begins from nothing. */
  configure (options: DecisionsOptions): void
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly decisions: Decisions
  }
}

function write (slot: DecisionSlot, call: Call, requestId: string): void {
  const { worker, policy, decision, candidates } = call.assignment
  slot.at = Date.now()
  slot.requestId = requestId
  slot.route = call.route
  slot.leg = call.leg
  slot.policy = policy
  slot.worker = worker.id
  slot.alias = worker.alias
  slot.url = worker.url
  slot.reason = decision.reason
  slot.candidates = candidates
  slot.match = decision.match ?? NaN
  slot.session = decision.session ?? ''
  slot.uncachedTokens = decision.uncachedTokens ?? NaN
  slot.split = call.split?.reason ?? ''
  slot.end = ''
  slot.status = 0
  slot.firstByteMs = slot.durationMs = slot.promptTokens = slot.cachedTokens = slot.completionTokens = NaN
}

function complete (slot: DecisionSlot, call: Call): void {
  const { exchange, usage } = call
  slot.end = exchange.end ?? ''
  slot.status = exchange.status
  slot.firstByteMs = call.firstByteMs ?? NaN
  slot.durationMs = call.durationMs
  slot.promptTokens = usage.promptTokens ?? NaN
  slot.cachedTokens = usage.cachedTokens ?? NaN
  slot.completionTokens = usage.completionTokens ?? NaN
}

const plugin: FastifyPluginCallback<DecisionsOptions> = (fastify, options, done) => {
  const { calls } = fastify
  let ring: DecisionRing | undefined
  /** Number of the last choice of the ring before. */
  let before = 0

  function chosen (call: Call, request: { readonly id: string }): void {
    if (ring === undefined) return
    const slot = ring.take()
    write(slot, call, request.id)
    call.decision = slot.serial
  }
  function settled (call: Call): void {
    const slot = call.decision === 0 ? undefined : ring?.at(call.decision)
    if (slot !== undefined) complete(slot, call)
  }
  function configure ({ decisionRingSize = 1000 }: DecisionsOptions): void {
    if (decisionRingSize === (ring?.size ?? 0)) return
    calls.off('chosen', chosen).off('settled', settled)
    before = ring?.last ?? before
    ring = decisionRingSize === 0 ? undefined : new DecisionRing(decisionRingSize, before)
    if (ring !== undefined) calls.on('chosen', chosen).on('settled', settled)
  }
  configure(options)

  fastify.decorate('decisions', {
    others: undefined,
    page ({ worker, requestId, limit = Infinity } = {}) {
      if (ring === undefined) return emptyPage
      const decisions: DecisionSlot[] = []
      for (const slot of ring.newest()) {
        if (decisions.length >= limit) break
        if (worker !== undefined && worker !== slot.worker && worker !== slot.alias && worker !== slot.url) continue
        if (requestId === undefined || requestId === slot.requestId) decisions.push(slot)
      }
      return { decisions, kept: ring.length, size: ring.size }
    },
    configure
  })
  done()
}

/** Fastify plugin: the last choices of workers, `fastify.decisions`. */
export const decisions: FastifyPluginCallback<DecisionsOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-decisions', decorators: { fastify: ['calls'] }
})
export default decisions
