// Catches what a router logs, for tests.
import Fastify, { LogController } from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { vllmRouter } from '../../router.ts'
import type { VllmRouterOptions } from '../../router.ts'
import { until } from './until.ts'

/** A router whose log lies in memory. */
export interface LoggingRouter {
  readonly url: string
  readonly app: FastifyInstance
  readonly router: FastifyInstance
  /** Everything logged so far, as it would stand in a file. */
  text (): string
  /** The lines with this message. */
  lines (message: string): Array<Record<string, unknown>>
}

/** Starts a router that logs from `level` up, as the server does: without Fastify's own lines for each request. */
export async function startLogging (t: Test, level: string, options: VllmRouterOptions): Promise<LoggingRouter> {
  const written: string[] = []
  const app = Fastify({
    logger: { level, stream: { write: (line: string) => { written.push(line) } } },
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true
  })
  let router: FastifyInstance = app
  await app.register(vllmRouter, {
    ...options,
    extend: async scope => {
      router = scope
      await options.extend?.(scope)
    }
  })
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  await until('all workers checked', () => router.workers.list().every(worker => worker.state !== 'starting'))
  return {
    url,
    app,
    router,
    text: () => written.join(''),
    lines: message => written.map(line => JSON.parse(line) as Record<string, unknown>).filter(line => line['msg'] === message)
  }
}
