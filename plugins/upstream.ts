// Holds the way out to the workers: one agent for traffic, one for the router's own questions, and the client that asks them.
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import type { Dispatcher } from 'undici'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { delivering } from '../core/delivery.ts'
import { createAgent, createTrafficAgent } from '../core/dispatcher.ts'
import { WorkerKey } from '../core/worker-key.ts'
import type { WorkerKeySource } from '../core/worker-key.ts'
import { WorkerTls } from '../core/worker-tls.ts'
import type { WorkerTlsOptions } from '../core/worker-tls.ts'
import { WorkerClient } from '../discovery/worker-client.ts'

/** Options of the upstream plugin that may change while it runs. */
export interface UpstreamCredentials extends WorkerKeySource, WorkerTlsOptions {}

/** Options of the upstream plugin. `apiKey` or `apiKeyFile`: bearer for workers where the client's own is not forwarded, and for the router's own questions. */
export interface UpstreamOptions extends UpstreamCredentials {
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
  /**
   * Takes traffic; requests that carry a delivery (`core/delivery.ts`) are tried as it says. Bytes of an answer that are handed on to a reply
   * are used again once they are written: a handler in between that wants to keep them copies them.
   */
  readonly dispatcher: Dispatcher
  /** Asks workers the router's own questions, on connections of its own. */
  readonly client: WorkerClient
  /** `Authorization` for workers where the client's own is not forwarded. It may change: ask for it at each use. */
  readonly authorization: string | undefined
  /** Changes credentials while the router runs: the key at once, certificates for connections from now on. Throws where a file cannot be used. */
  configure (credentials: UpstreamCredentials): void
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly upstream: Upstream
  }
}

const plugin: FastifyPluginAsync<UpstreamOptions> = async (fastify, options) => {
  let credentials = options
  const log = (message: string, failed: boolean): void => { fastify.log[failed ? 'error' : 'info'](message) }
  const warn = ({ workerTlsInsecure }: UpstreamCredentials): void => {
    if (workerTlsInsecure === true) fastify.log.warn('certificates of workers are not verified: anybody in between can read and change what is sent')
  }
  warn(options)
  const key = new WorkerKey(options, log)
  fastify.addHook('onClose', async () => key.close())
  const tls = new WorkerTls(options, (options.connectTimeoutSecs ?? 10) * 1000, log)
  const idleTimeoutMs = (options.poolIdleTimeoutSecs ?? 2) * 1000
  // the time to the first byte is the delivery's to watch
  const traffic = createTrafficAgent({ connect: tls.connectForTraffic, idleTimeoutMs, headTimeoutMs: 0, idleBodyTimeoutMs: (options.idleTimeoutSecs ?? 300) * 1000 })
  const questions = createAgent({ connect: tls.connect, idleTimeoutMs })
  fastify.decorate('upstream', {
    dispatcher: traffic.compose(delivering(options.clock ?? systemClock)),
    client: new WorkerClient({
      dispatcher: questions,
      authorization: () => key.authorization,
      timeoutMs: (options.healthCheckTimeoutSecs ?? 5) * 1000,
      healthPath: options.healthCheckEndpoint ?? '/health'
    }),
    get authorization () { return key.authorization },
    configure (changed) {
      const next = { ...credentials, ...changed }
      tls.configure(next)
      key.configure(next)
      credentials = next
      warn(changed)
    }
  })
  fastify.addHook('onClose', async () => {
    tls.close()
    await Promise.all([traffic.destroy(), questions.destroy()])
  })
}

/** Fastify plugin: the dispatcher towards workers, `fastify.upstream`. */
export const upstream: FastifyPluginAsync<UpstreamOptions> = fp(plugin, { fastify: '5.x', name: 'vllm-router-upstream' })
export default upstream
