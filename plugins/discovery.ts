// Runs the sources of workers: each states its whole list to the registry, again and again.
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import type { WorkerSpec } from '../core/worker.ts'
import type { DiscoverySource } from '../discovery/discovery.ts'

/** Options of the discovery plugin. */
export interface DiscoveryOptions {
  sources: readonly DiscoverySource[]
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The running sources, in the order given. */
    readonly discovery: readonly DiscoverySource[]
  }
}

const plugin: FastifyPluginAsync<DiscoveryOptions> = async (fastify, options) => {
  const { sources } = options
  const names = sources.map(source => source.name)
  // the workers added by hand are a source, too
  const taken = names.find((name, i) => name === 'manual' || names.indexOf(name) !== i)
  if (taken !== undefined) throw new Error(`discovery: two sources are named ${taken}; each would undo what the other states`)
  fastify.decorate('discovery', sources)
  fastify.workers.on('changed', (worker, from) => {
    if (worker.state === 'ready' && from === 'unhealthy') for (const source of sources) source.refresh?.(worker.url)
  })
  fastify.addHook('onReady', async () => {
    await Promise.all(sources.map(async source => {
      await source.start((specs: readonly WorkerSpec[]) => {
        const { added, removed } = fastify.workers.apply(source.name, specs)
        if (added + removed > 0) fastify.log.debug({ source: source.name, added, removed }, 'worker list changed')
      })
    }))
  })
  fastify.addHook('onClose', async () => {
    await Promise.all(sources.map(source => source.stop()))
  })
}

/** Fastify plugin: discovery sources that feed `fastify.workers`. */
export const discovery: FastifyPluginAsync<DiscoveryOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-discovery', decorators: { fastify: ['workers'] }
})
export default discovery
