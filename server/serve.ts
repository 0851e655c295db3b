// Starts the router as a server of its own and ends it with grace.
import closeWithGrace from 'close-with-grace'
import type { LoadedOptions } from '../options/load.ts'
import { startSimulator } from '../simulator/start.ts'
import type { StartedSimulator } from '../simulator/start.ts'
import type { RouterOptions } from '../options.ts'
import { makeApp } from './app.ts'
import { endGracefully } from './end.ts'
import { createLogger } from './logger.ts'
import { reloadOnChange } from './reload.ts'
import { settled, summary } from './summary.ts'

/** Longest wait for first health checks before the summary is printed; the server answers all the while. */
export const summaryPatienceMs = 1000

/**
 * Signals of a crash. A listener in JavaScript would make the processor repeat the faulty instruction for ever, so that the
 * process spins instead of dying; and SIGUSR2 belongs to Node's own tools.
 */
export const notOurs: NonNullable<closeWithGrace.Options['skip']> = ['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV', 'SIGUSR2']

/** How options that hold the server itself are applied while it runs. */
export const ownOptions = ['drainDelaySecs', 'drainTimeoutSecs', 'clientHeaderTimeoutSecs', 'logLevel'] as const

/** The workers a server brings itself, where it was given none. */
export async function simulatedFleet (options: RouterOptions): Promise<StartedSimulator[]> {
  if (options.workerUrls.length > 0 || options.serviceDiscovery || options.vllmPdDisaggregation) return []
  return await Promise.all(Array.from({ length: options.simulatedWorkers }, () => startSimulator({ port: 0, ranks: options.intraNodeDataParallelSize })))
}

/** Why a server that had to cut off requests says so with its exit code. */
export function cutOffError (ended: number): Error {
  return new Error(`${ended} requests had not ended after --drain-timeout-secs and were cut off`)
}

/**
 * Runs the server until a signal ends it.
 * @param load reads the options again
 */
export async function serve (loaded: LoadedOptions & { command: 'serve' }, load: () => Promise<LoadedOptions>): Promise<void> {
  const { options, warnings, file } = loaded
  if (options.processes > 1) {
    const { serveByProcesses } = await import('./processes/primary.ts')
    await serveByProcesses(loaded, load)
    return
  }
  let { drainDelaySecs, drainTimeoutSecs } = options
  const terminal = process.stdout.isTTY === true
  const { log, release, setLevel } = await createLogger(options, terminal)
  const simulators = await simulatedFleet(options)
  const workerUrls = simulators.length > 0 ? simulators.map(simulator => simulator.url) : options.workerUrls
  const server = await makeApp(options, log, { workerUrls, metricsListener: true })
  const { app, router } = server
  let endReloads = (): void => {}

  // on a terminal SIGHUP says that the terminal is gone, and nobody can end the router any more; elsewhere it means reload
  closeWithGrace({ delay: false, logger: log, skip: terminal ? notOurs : [...notOurs, 'SIGHUP'] }, async ({ signal, err }) => {
    release()
    if (err !== undefined) log.fatal({ err }, 'ending after an error nobody caught')
    else log.info({ signal }, 'shutting down')
    endReloads()
    server.stopWatching()
    const ended = await endGracefully(app, router, { delayMs: err === undefined ? drainDelaySecs * 1000 : 0, timeoutMs: drainTimeoutSecs * 1000 })
    await Promise.all(simulators.map(simulator => simulator.close()))
    log.flush()
    if (ended > 0) throw cutOffError(ended)
  })

  const address = await server.listen()
  endReloads = reloadOnChange({
    onHangup: !terminal,
    isOver: () => router.draining,
    log,
    options,
    file,
    load,
    async apply (before, after) {
      const applied = server.apply(before, after, ownOptions)
      drainDelaySecs = after.drainDelaySecs
      drainTimeoutSecs = after.drainTimeoutSecs
      setLevel(after.logLevel)
      return applied
    }
  })
  log.info(`metrics on ${router.metricsAddress}/metrics`)
  const admin = options.adminPort === undefined ? undefined : router.adminListener.address
  if (admin !== undefined) log.info(`admin routes on ${admin}`)
  if (terminal || simulators.length > 0) {
    await settled(router, summaryPatienceMs)
    process.stdout.write(summary(router, { address, admin }, simulators.length > 0))
  }
  release()
  for (const warning of warnings) log.warn(warning)
}
