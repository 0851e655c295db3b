// Starts the router as a server of its own and ends it with grace.
import closeWithGrace from 'close-with-grace'
import Fastify, { LogController } from 'fastify'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { RouterOptions } from '../options.ts'
import { describeError } from '../plugins/errors.ts'
import vllmRouter from '../router.ts'
import { startSimulator } from '../simulator/start.ts'
import { createLogger } from './logger.ts'
import { settled, summary } from './summary.ts'

/** Longest wait for first health checks before the summary is printed; the server answers all the while. */
const summaryPatienceMs = 1000

/**
 * Signals of a crash. A listener in JavaScript would make the processor repeat the faulty instruction for ever, so that the
 * process spins instead of dying; and SIGUSR2 belongs to Node's own tools.
 */
const notOurs: NonNullable<closeWithGrace.Options['skip']> = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV', 'SIGUSR2']

/** Runs the server until a signal ends it. */
export async function serve (options: RouterOptions, warnings: readonly string[]): Promise<void> {
  const { host, port, logLevel, logDir, simulatedWorkers, shutdownGraceSecs, backend: _, ...forRouter } = options
  const terminal = process.stdout.isTTY === true
  const { log, release } = await createLogger({ logLevel, logDir }, terminal)
  const simulators = options.workerUrls.length === 0
    ? await Promise.all(Array.from({ length: simulatedWorkers }, () => startSimulator({ port: 0, ranks: options.intraNodeDataParallelSize })))
    : []
  const workerUrls = simulators.length > 0 ? simulators.map(simulator => simulator.url) : options.workerUrls
  let router: FastifyInstance | undefined

  const app = Fastify({
    loggerInstance: log,
    // while closing, connections that are still open get the router's own answers, in its own shape
    return503OnClosing: false,
    logController: new LogController({ disableRequestLogging: true }),
    frameworkErrors (error, _request, reply: FastifyReply) {
      const { status, body } = describeError(error)
      void reply.code(status).type('application/json; charset=utf-8').send(body)
    }
  })
  await app.register(vllmRouter, { ...forRouter, workerUrls, metricsListener: true, extend: scope => { router = scope } })

  closeWithGrace({ delay: Math.max(shutdownGraceSecs * 1000, 1), logger: log, skip: notOurs }, async ({ signal, err }) => {
    release()
    if (err !== undefined) log.fatal({ err }, 'ending after an error nobody caught')
    else log.info({ signal }, 'shutting down')
    await app.close()
    await Promise.all(simulators.map(simulator => simulator.close()))
    log.flush()
  })

  const address = await app.listen({ host, port, listenTextResolver: address => `listening on ${address}` })
  if (router !== undefined) {
    log.info(`metrics on ${router.metricsAddress}/metrics`)
    if (terminal || simulators.length > 0) {
      await settled(router, summaryPatienceMs)
      process.stdout.write(summary(router, address, simulators.length > 0))
    }
  }
  release()
  for (const warning of warnings) log.warn(warning)
}
