// Serves the metrics on a listener of their own, so that scrapes and traffic never meet.
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import type { FastifyPluginCallback } from 'fastify'

/** Options of the metrics listener. */
export interface MetricsListenerOptions {
  /** Port; 0 takes a free one. Default 29000. */
  prometheusPort?: number
  /** Address. Default `127.0.0.1`. */
  prometheusHost?: string
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Where the metrics are served, once the instance is ready; empty before. */
    readonly metricsAddress: string
  }
}

const plugin: FastifyPluginCallback<MetricsListenerOptions> = (fastify, options, done) => {
  const listener = Fastify({ logger: false, forceCloseConnections: true })
  let address = ''
  fastify.decorate('metricsAddress', { getter: () => address })
  // any path, as the Rust router has it
  listener.get('/*', async (_request, reply) => {
    return await reply.type(fastify.metricsRegistry.contentType).send(await fastify.metricsRegistry.metrics())
  })
  fastify.addHook('onReady', async () => {
    address = await listener.listen({ port: options.prometheusPort ?? 29_000, host: options.prometheusHost ?? '127.0.0.1' })
  })
  fastify.addHook('onClose', async () => {
    await listener.close()
  })
  done()
}

/** Fastify plugin: a listener for metrics. */
export const metricsListener: FastifyPluginCallback<MetricsListenerOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-metrics-listener', decorators: { fastify: ['metricsRegistry'] }
})
export default metricsListener
