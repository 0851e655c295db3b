// Holds the way out to the workers: one agent for traffic, one for the router's own questions, and the client that asks them.
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import type { Dispatcher } from 'undici'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { delivering } from '../core/delivery.ts'
import { createAgent } from '../core/dispatcher.ts'
import { WorkerClient } from '../discovery/worker-client.ts'

/** Options of the upstream plugin. */
export interface UpstreamOptions {
  /** Bearer for workers where the client's own is not forwarded, and for the router's own questions. */
  apiKey?: string | undefined
  /** Seconds a connection to a worker may take to come about. Default 10. */
  connectTimeoutSecs?: number
  /** Seconds an idle connection to a worker is kept; 0 = none is. Default 2. */
  poolIdleTimeoutSecs?: number
  /** Seconds a worker may be silent between two pieces of an answer; 0 = no limit. Default 300. */
  idleTimeoutSecs?: number
  /** Path of a worker's health check. Default `/health`. */
  healthCheckEndpoint?: string
  /** Seconds for one question of the router's own. Default 5. */
  healthCheckTimeoutSecs?: number
  clock?: Clock
}

/** What the plugin decorates the instance with. */
export interface Upstream {
  /** Takes traffic; requests that carry a delivery (`core/delivery.ts`) are tried as it says. */
  readonly dispatcher: Dispatcher
  /** Asks workers the router's own questions, on connections of its own. */
  readonly client: WorkerClient
  /** `Authorization` for workers where the client's own is not forwarded. */
  readonly authorization: string | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly upstream: Upstream
  }
}

const plugin: FastifyPluginAsync<UpstreamOptions> = async (fastify, options) => {
  const settings = {
    connectTimeoutMs: (options.connectTimeoutSecs ?? 10) * 1000,
    idleTimeoutMs: (options.poolIdleTimeoutSecs ?? 2) * 1000
  }
  // the time to the first byte is the delivery's to watch
  const traffic = createAgent({ ...settings, headTimeoutMs: 0, idleBodyTimeoutMs: (options.idleTimeoutSecs ?? 300) * 1000 })
  const questions = createAgent(settings)
  fastify.decorate('upstream', {
    dispatcher: traffic.compose(delivering(options.clock ?? systemClock)),
    client: new WorkerClient({
      dispatcher: questions,
      apiKey: options.apiKey,
      timeoutMs: (options.healthCheckTimeoutSecs ?? 5) * 1000,
      healthPath: options.healthCheckEndpoint ?? '/health'
    }),
    authorization: options.apiKey === undefined ? undefined : `Bearer ${options.apiKey}`
  })
  fastify.addHook('onClose', async () => {
    await Promise.all([traffic.destroy(), questions.destroy()])
  })
}

/** Fastify plugin: the dispatcher towards workers, `fastify.upstream`. */
export const upstream: FastifyPluginAsync<UpstreamOptions> = fp(plugin, { fastify: '5.x', name: 'vllm-router-upstream' })
export default upstream
