// Starts a simulated worker on a port of its own.
import type { AddressInfo } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { simulatedWorker } from './plugin.ts'
import type { SimulatorOptions } from './serving.ts'

/** Where the worker listens, and what it is. */
export interface StartOptions extends SimulatorOptions {
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string
  /** Port to listen on; default 0: any free one. */
  readonly port?: number
}

/** A worker that listens. */
export interface StartedSimulator {
  /** Base URL without a trailing slash; ends with the prefix when there is one. */
  readonly url: string
  readonly app: FastifyInstance
  /** Cuts all connections, stops listening; safe to call more than once. */
  close (): Promise<void>
}

/** Starts a worker. It logs nothing. */
export async function startSimulator (options: StartOptions = {}): Promise<StartedSimulator> {
  const { host = '127.0.0.1', port = 0, ...worker } = options
  const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host
  const app = Fastify({ logger: false, forceCloseConnections: true, exposeHeadRoutes: false })
  try {
    await app.register(simulatedWorker, { ...worker, kvHost: options.kvHost ?? name.replace(/^\[(.*)\]$/, '$1') })
    await app.listen({ host, port })
  } catch (error) {
    // what listens for other workers may have begun
    await app.close()
    throw error
  }
  const bound = (app.server.address() as AddressInfo).port
  let closed: Promise<void> | undefined
  return {
    url: `http://${name}:${bound}${options.prefix ?? ''}`,
    app,
    close: () => (closed ??= app.close().then(() => {}))
  }
}
