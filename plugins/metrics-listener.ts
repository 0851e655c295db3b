// Serves the metrics on a listener of their own, so that scrapes and traffic never meet.
import Fastify from 'fastify'
import type { Registry } from 'prom-client'
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'

/** Options of the metrics listener. */
export interface MetricsListenerOptions {
  /** Port; 0 takes a free one. Default 29000. */
  prometheusPort?: number
  /** Address. Default `127.0.0.1`. */
  prometheusHost?: string
  /** What is served. Default `fastify.metricsRegistry`. */
  source?: Pick<Registry, 'contentType' | 'metrics'> | undefined
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Where the metrics are served, once the instance is ready; empty before. */
    readonly metricsAddress: string
  }
}

const plugin: FastifyPluginAsync<MetricsListenerOptions> = async (fastify, options) => {
  const listener = Fastify({ logger: false, forceCloseConnections: true })
  const source = options.source ?? fastify.metricsRegistry
  let address = ''
  fastify.decorate('metricsAddress', { getter: () => address })
  // any path, as the Rust router has it
  listener.get('/*', async (_request, reply) => {
    return await reply.type(source.contentType).send(await source.metrics())
  })
  fastify.addHook('onReady', async () => {
    const { prometheusPort: port = 29_000, prometheusHost: host = '127.0.0.1' } = options
    try {
      address = await listener.listen({ port, host })
    } catch (error) {
      throw new Error(`metrics cannot be served on prometheusHost ${host}, prometheusPort ${port}: ${error instanceof Error ? error.message : 'unknown error'}`, { cause: error })
    }
  })
  fastify.addHook('onClose', async () => {
    await listener.close()
  })
}

/** Fastify plugin: a listener for metrics. */
export const metricsListener: FastifyPluginAsync<MetricsListenerOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-metrics-listener', decorators: { fastify: ['metricsRegistry'] }
})
export default metricsListener
