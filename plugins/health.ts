// Keeps the workers' states true: active checks, models, load as the workers report it, and a look at once when traffic meets a dead one.
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { systemClock } from '../core/clock.ts'
import type { Clock } from '../core/clock.ts'
import { KvCapacity } from '../discovery/kv-capacity.ts'
import { LoadScraper } from '../discovery/load-scraper.ts'
import { Prober } from '../discovery/prober.ts'

/** Options of the health plugin; all times in seconds. */
export interface HealthOptions {
  /** Failures in a row that make a worker unhealthy. Default 3. */
  healthFailureThreshold?: number
  /** Successes in a row that make it ready again. Default 2. */
  healthSuccessThreshold?: number
  /** Between two checks of a healthy worker. Default 60. */
  healthCheckIntervalSecs?: number
  /** Longest pause between checks of a starting worker. Default 30. */
  workerStartupCheckInterval?: number
  /** A worker that has not answered for so long since it came is unhealthy instead of starting. Default 600. */
  workerStartupTimeoutSecs?: number
  /** How often a worker's own load is read, where a policy wants it; 0 = never. Default 5. */
  loadScrapeIntervalSecs?: number
  clock?: Clock
  random?: () => number
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Active health checks of the fleet. */
    readonly prober: Prober
  }
}

const plugin: FastifyPluginAsync<HealthOptions> = async (fastify, options) => {
  const registry = fastify.workers
  const clock = options.clock ?? systemClock
  const random = options.random ?? Math.random
  const prober = new Prober({
    registry,
    client: fastify.upstream.client,
    clock,
    random,
    intervalMs: (options.healthCheckIntervalSecs ?? 60) * 1000,
    failureThreshold: options.healthFailureThreshold ?? 3,
    successThreshold: options.healthSuccessThreshold ?? 2,
    startupIntervalMs: (options.workerStartupCheckInterval ?? 30) * 1000,
    startupTimeoutMs: (options.workerStartupTimeoutSecs ?? 600) * 1000
  })
  const intervalMs = (options.loadScrapeIntervalSecs ?? 5) * 1000
  const scraper = new LoadScraper({ registry, client: fastify.upstream.client, clock, random, intervalMs })
  const capacity = new KvCapacity({ registry, client: fastify.upstream.client })
  fastify.decorate('prober', prober)
  fastify.balancer.on('unknownModel', () => prober.refreshModels())
  // only some policies want to know
  const watchLoads = (): void => {
    scraper.stop()
    if (intervalMs > 0 && fastify.balancer.wantsForeignLoad) scraper.start()
    else for (const worker of registry.list()) worker.foreignLoad = 0
    if (fastify.balancer.wantsKvTokens) capacity.start()
    else capacity.stop()
  }
  fastify.balancer.on('policy', watchLoads)
  fastify.addHook('onReady', next => {
    watchLoads()
    prober.start()
    next()
  })
  fastify.addHook('onClose', (_instance, next) => {
    prober.stop()
    scraper.stop()
    capacity.stop()
    next()
  })
}

/** Fastify plugin: health checks, `fastify.prober`. */
export const health: FastifyPluginAsync<HealthOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-health', decorators: { fastify: ['workers', 'upstream', 'balancer'] }
})
export default health
