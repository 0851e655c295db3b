// Certificates of test/fixtures/tls, and a router behind TLS, with the very servers that server.ts makes.
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import Fastify, { LogController } from 'fastify'
import type { FastifyBaseLogger, FastifyInstance } from 'fastify'
import { pino } from 'pino'
import type { Test } from 'tap'
import vllmRouter from '../../router.ts'
import type { VllmRouterOptions } from '../../router.ts'
import { Listeners } from '../../server/listeners.ts'
import { ServerTls } from '../../server/tls.ts'
import type { TlsPaths } from '../../server/tls.ts'
import type { TestRouter } from './router.ts'
import { until } from './until.ts'

/** Path of a file of test/fixtures/tls. */
export function tlsFile (name: string): string {
  return `test/fixtures/tls/${name}.pem`
}

/** Its content. */
export function pem (name: string): string {
  return readFileSync(tlsFile(name), 'utf8')
}

/** The files of a server that clients with `ca` trust. */
export const serverFiles: TlsPaths = { tlsCert: tlsFile('server'), tlsKey: tlsFile('server-key'), tlsClientCa: undefined }

/** How a router is served in a test. */
export interface SecureOptions {
  readonly http2?: boolean
  readonly files?: TlsPaths
  /** Milliseconds for the head of a request. */
  readonly headersMs?: number
  /** Takes the lines of the log, from info up. */
  readonly log?: (line: string) => void
}

/** A router behind TLS. */
export interface SecureRouter extends TestRouter {
  readonly listeners: Listeners
  readonly tls: ServerTls
}

/** Starts a router on a free port over TLS and waits until all its workers have been checked. */
export async function startSecureRouter (t: Test, options: VllmRouterOptions = {}, { http2 = true, files = serverFiles, headersMs = 30_000, log }: SecureOptions = {}): Promise<SecureRouter> {
  const logger = log === undefined ? pino({ level: 'silent' }) : pino({ level: 'info' }, { write: log })
  const tls = new ServerTls(files, logger)
  const listeners = new Listeners(tls, headersMs)
  const app = Fastify({
    serverFactory: listener => http2 ? listeners.http2(listener, tls) : listeners.http1(listener),
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    return503OnClosing: false
  })
  let router: FastifyInstance = app
  await app.register(vllmRouter, {
    cors: true,
    createAdminServer: listener => listeners.http1(listener),
    ...options,
    extend: async scope => {
      router = scope
      await options.extend?.(scope)
    }
  })
  t.teardown(async () => {
    tls.close()
    router.cutConnections()
    await app.close()
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  await until('all workers checked', () => router.workers.list().every(worker => worker.state !== 'starting'))
  return { url: `https://127.0.0.1:${port}`, port, app, router, listeners, tls }
}
