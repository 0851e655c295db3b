// Starts the router as a server of its own and ends it with grace.
import closeWithGrace from 'close-with-grace'
import Fastify, { LogController } from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyServerFactory } from 'fastify'
import { MethodNotAllowedError } from '../core/errors.ts'
import type { LoadedOptions } from '../options/load.ts'
import { ownHeaders } from '../core/headers.ts'
import { describeError } from '../plugins/errors.ts'
import vllmRouter from '../router.ts'
import { startSimulator } from '../simulator/start.ts'
import { endGracefully } from './end.ts'
import { headLimits, Listeners } from './listeners.ts'
import { createLogger } from './logger.ts'
import { reloadOnChange } from './reload.ts'
import { settled, summary } from './summary.ts'
import { ServerTls, tlsFiles } from './tls.ts'

/** Longest wait for first health checks before the summary is printed; the server answers all the while. */
const summaryPatienceMs = 1000

/**
 * Signals of a crash. A listener in JavaScript would make the processor repeat the faulty instruction for ever, so that the
 * process spins instead of dying; and SIGUSR2 belongs to Node's own tools.
 */
const notOurs: NonNullable<closeWithGrace.Options['skip']> = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV', 'SIGUSR2']

/** Answers what no route takes in the shape of the router's own errors. */
function refuse (error: Error, reply: FastifyReply): void {
  const { status, body } = describeError(error)
  void reply.code(status).headers(ownHeaders).type('application/json; charset=utf-8').send(body)
}

/** How options that hold the server itself are applied while it runs. */
export const ownOptions = ['drainDelaySecs', 'drainTimeoutSecs', 'clientHeaderTimeoutSecs', 'logLevel'] as const

/**
 * Runs the server until a signal ends it.
 * @param load reads the options again
 */
export async function serve (loaded: LoadedOptions & { command: 'serve' }, load: () => Promise<LoadedOptions>): Promise<void> {
  const { options, warnings, file } = loaded
  const {
    host, port, logLevel, logDir, simulatedWorkers, drainDelaySecs, drainTimeoutSecs, clientHeaderTimeoutSecs, backend: _,
    tlsCert, tlsKey, tlsClientCa, disableHttp2, trustProxy, ...forRouter
  } = options
  let drains = { drainDelaySecs, drainTimeoutSecs }
  const terminal = process.stdout.isTTY === true
  const { log, release, setLevel } = await createLogger({ logLevel, logDir }, terminal)
  const tls = tlsCert === undefined ? undefined : new ServerTls({ tlsCert, tlsKey, tlsClientCa }, log)
  const listeners = new Listeners(tls, clientHeaderTimeoutSecs * 1000)
  const simulators = options.workerUrls.length === 0 && !options.serviceDiscovery && !options.vllmPdDisaggregation
    ? await Promise.all(Array.from({ length: simulatedWorkers }, () => startSimulator({ port: 0, ranks: options.intraNodeDataParallelSize })))
    : []
  const workerUrls = simulators.length > 0 ? simulators.map(simulator => simulator.url) : options.workerUrls
  let router: FastifyInstance | undefined
  let endReloads: (() => void) | undefined

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
  await app.register(vllmRouter, {
    ...forRouter, workerUrls, metricsListener: true, cors: true, createAdminServer: listener => listeners.http1(listener), extend: scope => { router = scope }
  })

  // on a terminal SIGHUP says that the terminal is gone, and nobody can end the router any more; elsewhere it means reload
  closeWithGrace({ delay: false, logger: log, skip: terminal ? notOurs : [...notOurs, 'SIGHUP'] }, async ({ signal, err }) => {
    release()
    if (err !== undefined) log.fatal({ err }, 'ending after an error nobody caught')
    else log.info({ signal }, 'shutting down')
    endReloads?.()
    tls?.close()
    const ended = router === undefined
      ? await app.close().then(() => 0)
      : await endGracefully(app, router, { delayMs: err === undefined ? drains.drainDelaySecs * 1000 : 0, timeoutMs: drains.drainTimeoutSecs * 1000 })
    await Promise.all(simulators.map(simulator => simulator.close()))
    log.flush()
    if (ended > 0) throw new Error(`${ended} requests had not ended after --drain-timeout-secs and were cut off`)
  })

  // Fastify knows of no TLS where it did not make the server itself
  const asServed = (address: string): string => tls === undefined ? address : address.replace(/^http:/, 'https:')
  const address = asServed(await app.listen({ host, port, listenTextResolver: address => `listening on ${asServed(address)}` }))
  if (router !== undefined) {
    endReloads = reloadOnChange({
      onHangup: !terminal,
      router,
      log,
      options,
      file,
      load,
      own: tls === undefined ? ownOptions : [...ownOptions, ...tlsFiles],
      apply (changed) {
        tls?.configure(changed)
        drains = changed
        listeners.limitHeads(changed.clientHeaderTimeoutSecs * 1000)
        setLevel(changed.logLevel)
      }
    })
    log.info(`metrics on ${router.metricsAddress}/metrics`)
    if (forRouter.adminPort !== undefined) log.info(`admin routes on ${router.adminListener.address}`)
    if (terminal || simulators.length > 0) {
      await settled(router, summaryPatienceMs)
      process.stdout.write(summary(router, address, simulators.length > 0))
    }
  }
  release()
  for (const warning of warnings) log.warn(warning)
}
