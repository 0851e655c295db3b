// Starts a router on a free port in front of workers, for tests over real sockets; everything ends with the test.
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import vllmRouter from '../../router.ts'
import type { VllmRouterOptions } from '../../router.ts'
import { startSimulator } from '../../simulator/index.ts'
import type { StartedSimulator } from '../../simulator/start.ts'
import { until } from './until.ts'

/** A running router. */
export interface TestRouter {
  readonly url: string
  readonly port: number
  readonly app: FastifyInstance
  /** The router's own scope: `router.workers`, `router.balancer`, `router.calls`, … */
  readonly router: FastifyInstance
}

/** Starts a router and, unless told otherwise, waits until all its workers have been checked. */
export async function startRouter (t: Test, options: VllmRouterOptions = {}, patient = true): Promise<TestRouter> {
  const app = Fastify({ logger: false, forceCloseConnections: true })
  let router: FastifyInstance = app
  await app.register(vllmRouter, {
    ...options,
    extend: async scope => {
      router = scope
      await options.extend?.(scope)
    }
  })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  if (patient) await until('all workers checked', () => router.workers.list().every(worker => worker.state !== 'starting'))
  return { url: `http://127.0.0.1:${port}`, port, app, router }
}

/** Starts simulated workers that end with the test. */
export async function startWorkers (t: Test, count: number, options: Parameters<typeof startSimulator>[0] = {}): Promise<StartedSimulator[]> {
  const workers = await Promise.all(Array.from({ length: count }, () => startSimulator(options)))
  t.teardown(() => Promise.all(workers.map(worker => worker.close())))
  return workers
}
