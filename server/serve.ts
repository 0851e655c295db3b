// Starts the router as a server of its own and ends it with grace.
import closeWithGrace from 'close-with-grace'
import Fastify, { LogController } from 'fastify'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { LoadedOptions } from '../options/load.ts'
import { describeError } from '../plugins/errors.ts'
import vllmRouter from '../router.ts'
import { startSimulator } from '../simulator/start.ts'
import { endGracefully } from './end.ts'
import { createLogger } from './logger.ts'
import { reloadOnChange } from './reload.ts'
import { settled, summary } from './summary.ts'

/** Longest wait for first health checks before the summary is printed; the server answers all the while. */
const summaryPatienceMs = 1000

/**
 * Signals of a crash. A listener in JavaScript would make the processor repeat the faulty instruction for ever, so that the
 * process spins instead of dying; and SIGUSR2 belongs to Node's own tools.
 */
const notOurs: NonNullable<closeWithGrace.Options['skip']> = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV', 'SIGUSR2']

/** Node looks so often for heads that take too long: within a second, and more often where the limit is short. */
function checkIntervalMs (headerTimeoutSecs: number): number {
  return Math.max(50, Math.min(1000, headerTimeoutSecs * 250))
}

/** How options that hold the server itself are applied while it runs. */
const ownOptions = ['drainDelaySecs', 'drainTimeoutSecs', 'clientHeaderTimeoutSecs', 'logLevel'] as const

/**
 * Runs the server until a signal ends it.
 * @param load reads the options again
 */
export async function serve (loaded: LoadedOptions & { command: 'serve' }, load: () => Promise<LoadedOptions>): Promise<void> {
  const { options, warnings, file } = loaded
  const {
    host, port, logLevel, logDir, simulatedWorkers, drainDelaySecs, drainTimeoutSecs, clientHeaderTimeoutSecs, backend: _, ...forRouter
  } = options
  let drains = { drainDelaySecs, drainTimeoutSecs }
  const terminal = process.stdout.isTTY === true
  const { log, release, setLevel } = await createLogger({ logLevel, logDir }, terminal)
  const simulators = options.workerUrls.length === 0 && !options.serviceDiscovery
    ? await Promise.all(Array.from({ length: simulatedWorkers }, () => startSimulator({ port: 0, ranks: options.intraNodeDataParallelSize })))
    : []
  const workerUrls = simulators.length > 0 ? simulators.map(simulator => simulator.url) : options.workerUrls
  let router: FastifyInstance | undefined
  let endReloads: (() => void) | undefined

  const app = Fastify({
    loggerInstance: log,
    http: { headersTimeout: Math.ceil(clientHeaderTimeoutSecs * 1000), connectionsCheckingInterval: checkIntervalMs(clientHeaderTimeoutSecs) },
    // while closing, connections that are still open get the router's own answers, in its own shape
    return503OnClosing: false,
    logController: new LogController({ disableRequestLogging: true }),
    frameworkErrors (error, _request, reply: FastifyReply) {
      const { status, body } = describeError(error)
      void reply.code(status).type('application/json; charset=utf-8').send(body)
    }
  })
  await app.register(vllmRouter, { ...forRouter, workerUrls, metricsListener: true, extend: scope => { router = scope } })

  // on a terminal SIGHUP says that the terminal is gone, and nobody can end the router any more; elsewhere it means reload
  closeWithGrace({ delay: false, logger: log, skip: terminal ? notOurs : [...notOurs, 'SIGHUP'] }, async ({ signal, err }) => {
    release()
    if (err !== undefined) log.fatal({ err }, 'ending after an error nobody caught')
    else log.info({ signal }, 'shutting down')
    endReloads?.()
    const ended = router === undefined
      ? await app.close().then(() => 0)
      : await endGracefully(app, router, { delayMs: err === undefined ? drains.drainDelaySecs * 1000 : 0, timeoutMs: drains.drainTimeoutSecs * 1000 })
    await Promise.all(simulators.map(simulator => simulator.close()))
    log.flush()
    if (ended > 0) throw new Error(`${ended} requests had not ended after --drain-timeout-secs and were cut off`)
  })

  const address = await app.listen({ host, port, listenTextResolver: address => `listening on ${address}` })
  if (router !== undefined) {
    endReloads = reloadOnChange({
      onHangup: !terminal,
      router,
      log,
      options,
      file,
      load,
      own: ownOptions,
      apply (changed) {
        drains = changed
        app.server.headersTimeout = Math.ceil(changed.clientHeaderTimeoutSecs * 1000)
        setLevel(changed.logLevel)
      }
    })
    log.info(`metrics on ${router.metricsAddress}/metrics`)
    if (terminal || simulators.length > 0) {
      await settled(router, summaryPatienceMs)
      process.stdout.write(summary(router, address, simulators.length > 0))
    }
  }
  release()
  for (const warning of warnings) log.warn(warning)
}
