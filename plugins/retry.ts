// Tries a request again that no worker has answered yet: how often, when, and within which budget.
import fp from 'fastify-plugin'
import type { FastifyPluginAsync } from 'fastify'
import { systemClock } from '../core/clock.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { headerIn } from '../core/headers.ts'
import { RetryBudget, retryAfterMs } from '../core/retry.ts'
import type { RetryOptions } from '../core/retry.ts'
import type { Worker } from '../core/worker.ts'

/** Options of the retry plugin. */
export interface RetryPluginOptions {
  /** No request is tried again. Default false. */
  disableRetries?: boolean
  /** Attempts in all, the first included. Default 5. */
  retryMaxRetries?: number
  /** Default 50. */
  retryInitialBackoffMs?: number
  /** Default 30,000. */
  retryMaxBackoffMs?: number
  /** Default 1.5. */
  retryBackoffMultiplier?: number
  /** Default 0.2. */
  retryJitterFactor?: number
  /** Retries allowed, in percent of the requests of the last 10 s. Default 20. */
  retryBudgetPercent?: number
  /** Retries allowed in any case, per second. Default 10. */
  retryBudgetMinPerSecond?: number
  clock?: Clock
  random?: () => number
}

/** Longest time a `Retry-After` may keep a worker out: a worker that asks for more is asked again after so long. */
const longestPauseMs = 600_000

/** What the plugin decorates the instance with. */
export interface Retries {
  /** Read anew for every request. */
  readonly options: () => RetryOptions
  readonly budget: RetryBudget
  readonly random: () => number
  /** Changes options while the router runs. */
  configure (options: RetryPluginOptions): void
}

declare module 'fastify' {
  interface FastifyInstance {
    readonly retries: Retries
  }
}

const plugin: FastifyPluginAsync<RetryPluginOptions> = async (fastify, given) => {
  const clock = given.clock ?? systemClock
  let options = given
  const registry = fastify.workers
  const budget = new RetryBudget(clock, () => ({ percent: options.retryBudgetPercent ?? 20, minPerSecond: options.retryBudgetMinPerSecond ?? 10 }))
  fastify.decorate('retries', {
    options: () => ({
      maxAttempts: options.disableRetries === true ? 1 : options.retryMaxRetries ?? 5,
      initialBackoffMs: options.retryInitialBackoffMs ?? 50,
      maxBackoffMs: options.retryMaxBackoffMs ?? 30_000,
      multiplier: options.retryBackoffMultiplier ?? 1.5,
      jitter: options.retryJitterFactor ?? 0.2
    }),
    budget,
    random: given.random ?? Math.random,
    configure (changed) { options = { ...options, ...changed } }
  })

  // a worker that says when to come back is left alone until then
  const pauses = new Map<Worker, Timer>()
  fastify.calls.on('settled', ({ exchange, assignment: { worker } }) => {
    if (exchange.end !== 'completed' || (exchange.status !== 429 && exchange.status !== 503)) return
    const asked = retryAfterMs(headerIn(exchange.headers, 'retry-after'), Date.now())
    if (asked === undefined || asked === 0) return
    const pause = Math.min(asked, longestPauseMs)
    pauses.get(worker)?.cancel()
    registry.hold(worker, 'pause', clock.now() + pause)
    pauses.set(worker, clock.after(pause, () => {
      pauses.delete(worker)
      registry.unhold(worker, 'pause')
    }))
  })
  registry.on('removed', worker => {
    pauses.get(worker)?.cancel()
    pauses.delete(worker)
  })
  fastify.addHook('onClose', async () => {
    for (const timer of pauses.values()) timer.cancel()
    pauses.clear()
  })
}

/** Fastify plugin: retries, `fastify.retries`. */
export const retry: FastifyPluginAsync<RetryPluginOptions> = fp(plugin, {
  fastify: '5.x', name: 'vllm-router-retry', decorators: { fastify: ['workers', 'calls'] }
})
export default retry
