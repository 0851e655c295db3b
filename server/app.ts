// Makes the application that clients talk to: its servers with their bounds and certificates, and the router in it.
import Fastify, { LogController } from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyServerFactory } from 'fastify'
import type { Logger } from 'pino'
import { MethodNotAllowedError } from '../core/errors.ts'
import { ownHeaders } from '../core/headers.ts'
import type { RouterOptions } from '../options.ts'
import { describeError } from '../plugins/errors.ts'
import vllmRouter from '../router.ts'
import type { ServerOnly, VllmRouterOptions } from '../router.ts'
import { applyOptions } from './apply-options.ts'
import type { Applied } from './apply-options.ts'
import { headLimits, Listeners } from './listeners.ts'
import { ServerTls, tlsFiles } from './tls.ts'

/** An application and what belongs to it. */
export interface ServerApp {
  readonly app: Pick<FastifyInstance, 'close'>
  /** The router's own scope. */
  readonly router: FastifyInstance
  /** Takes connections; returns the address. */
  listen (): Promise<string>
  /** Applies what changed of the options, but for those that are applied `elsewhere`. */
  apply (before: RouterOptions, after: RouterOptions, elsewhere: ReadonlyArray<keyof RouterOptions>): Applied
  /** Nobody watches the certificates any more. */
  stopWatching (): void
}

/** Answers what no route takes in the shape of the router's own errors. */
function refuse (error: Error, reply: FastifyReply): void {
  const { status, body } = describeError(error)
  void reply.code(status).headers(ownHeaders).type('application/json; charset=utf-8').send(body)
}

/** The options of the router that a server's options hold. */
export function routerOptions (options: RouterOptions): Omit<RouterOptions, ServerOnly> {
  const {
    host: _1, port: _2, logLevel: _3, logDir: _4, simulatedWorkers: _5, drainDelaySecs: _6, drainTimeoutSecs: _7, clientHeaderTimeoutSecs: _8, backend: _9,
    tlsCert: _10, tlsKey: _11, tlsClientCa: _12, disableHttp2: _13, trustProxy: _14, processes: _15, ...forRouter
  } = options
  return forRouter
}

/** @param more options of the router that are not the server's */
export async function makeApp (options: RouterOptions, log: Logger, more: VllmRouterOptions): Promise<ServerApp> {
  const { host, port, clientHeaderTimeoutSecs, tlsCert, tlsKey, tlsClientCa, disableHttp2, trustProxy } = options
  const tls = tlsCert === undefined ? undefined : new ServerTls({ tlsCert, tlsKey, tlsClientCa }, log)
  const listeners = new Listeners(tls, clientHeaderTimeoutSecs * 1000)
  const secure: { serverFactory?: FastifyServerFactory } = tls === undefined ? {} : { serverFactory: listener => disableHttp2 ? listeners.http1(listener) : listeners.http2(listener, tls) }
  const app = Fastify({
    loggerInstance: log,
    http: headLimits(clientHeaderTimeoutSecs * 1000),
    ...secure,
    trustProxy: trustProxy.includes('true') ? true : trustProxy.length > 0 ? [...trustProxy] : false,
    // while closing, connections that are still open get the router's own answers, in its own shape
    return503OnClosing: false,
    logController: new LogController({ disableRequestLogging: true }),
    // the listeners see to it, for all servers alike
    clientErrorHandler () {},
    frameworkErrors: (error, _request, reply: FastifyReply) => refuse(error, reply)
  })
  // every path has a route: what is left has a method that Fastify does not know
  app.setNotFoundHandler((request, reply) => {
    reply.header('allow', app.supportedMethods.join(', '))
    refuse(new MethodNotAllowedError(request.method, request.url.split('?', 1)[0]), reply)
  })
  listeners.add(app.server)
  let router: FastifyInstance | undefined
  await app.register(vllmRouter, {
    ...routerOptions(options),
    cors: true,
    createAdminServer: listener => listeners.http1(listener),
    ...more,
    async extend (scope) {
      router = scope
      await more.extend?.(scope)
    }
  })

  if (router === undefined) throw new Error('the router was not registered')
  const scope = router

  // Fastify knows of no TLS where it did not make the server itself
  const asServed = (address: string): string => tls === undefined ? address : address.replace(/^http:/, 'https:')
  return {
    app,
    router: scope,
    async listen () {
      return asServed(await app.listen({ host, port, listenTextResolver: address => `listening on ${asServed(address)}` }))
    },
    apply (before, after, elsewhere) {
      const applied = applyOptions(scope, before, after, [...elsewhere, ...(tls === undefined ? [] : tlsFiles)])
      tls?.configure(after)
      listeners.limitHeads(after.clientHeaderTimeoutSecs * 1000)
      return applied
    },
    stopWatching () { tls?.close() }
  }
}
