// Takes traffic from workers that are far worse than their peers: watches calls, and holds an outlier back once it has had its small share.
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { systemClock } from '../core/clock.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { outcomeOf } from '../core/outcome.ts'
import { Outliers, tickMs } from '../core/outliers.ts'

/** Options of the outlier detection plugin. */
export interface OutlierDetectionOptions {
  /** All workers get their full share. Default false. */
  disableOutlierDetection?: boolean
  /** Largest part of the workers that may be outliers at the same time. Default 30. */
  outlierMaxPercent?: number
  clock?: Clock
}

/** What the plugin decorates the instance with. */
export interface OutlierDetection {
  /** Changes options while the router runs; disabling gives all workers their full share at once. */
  configure (options: Omit<OutlierDetectionOptions, 'clock'>): void
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly outliers: OutlierDetection
  }
}

const plugin: FastifyPluginAsync<OutlierDetectionOptions> = async (fastify, given) => {
  const clock = given.clock ?? systemClock
  let options = given
  const { workers, balancer, calls, log } = fastify
  const outliers = new Outliers(clock, () => ({ maxPercent: options.outlierMaxPercent ?? 30 }), (worker, open) => {
    if (open) workers.unhold(worker, 'outlier')
    // its share grows all the time: who waits for it may ask again at once
    else workers.hold(worker, 'outlier', clock.now())
  })
  const on = (): boolean => options.disableOutlierDetection !== true

  // one timer for all workers, and only while there is something to judge
  let timer: Timer | undefined
  let closed = false
  const known = new Set<string>()
  function judge (): void {
    timer = outliers.tick() ? clock.after(tickMs, judge) : undefined
    for (const worker of workers.list()) {
      const outlying = worker.weight < 1
      if (outlying === known.has(worker.id)) continue
      if (outlying) known.add(worker.id)
      else known.delete(worker.id)
      log[outlying ? 'warn' : 'info']({ worker: worker.id, weight: worker.weight }, outlying ? 'worker is an outlier' : 'worker is no outlier any more')
    }
  }

  for (const worker of workers.list()) outliers.add(worker)
  workers.on('added', worker => outliers.add(worker))
  workers.on('removed', worker => {
    known.delete(worker.id)
    outliers.remove(worker)
  })
  // its trials decide from here on, not what was before
  workers.on('unheld', (worker, cause) => { if (cause === 'breaker') outliers.forgive(worker) })
  workers.on('changed', (worker, from) => { if (worker.state === 'ready' && from === 'unhealthy') outliers.forgive(worker) })

  balancer.on('assigned', ({ worker }) => {
    if (!on() || closed) return
    outliers.assigned(worker)
    timer ??= clock.after(tickMs, judge)
  })
  calls.on('started', (call, streams) => { if (on() && streams) outliers.waits(call.assignment.worker, call) })
  calls.on('firstByte', call => {
    if (!on()) return
    const { worker } = call.assignment
    outliers.answered(worker, call)
    if (call.generation && call.exchange.status < 400 && call.firstByteMs !== undefined) {
      outliers.time(worker, call.streamed ? 'streamed' : 'whole', call.firstByteMs)
    }
  })
  calls.on('settled', call => { if (on()) outliers.ended(call.assignment.worker, call, outcomeOf(call.exchange)) })

  fastify.decorate('outliers', {
    configure (changed) {
      options = { ...options, ...changed }
      if (!on()) outliers.reset()
    }
  })
  fastify.addHook('onClose', async () => {
    closed = true
    timer?.cancel()
  })
}

/** Fastify plugin: outlier detection, `fastify.outliers`. */
export const outlierDetection: FastifyPluginAsync<OutlierDetectionOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-outlier-detection', decorators: { fastify: ['workers', 'balancer', 'calls'] }
})
export default outlierDetection
