// The first of several processes: takes no requests, but starts and ends those that do, looks after the fleet, and speaks for all.
import closeWithGrace from 'close-with-grace'
import Fastify, { LogController } from 'fastify'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { systemClock } from '../../core/clock.ts'
import { authenticationTable } from '../../options/authentication-table.ts'
import type { LoadedOptions } from '../../options/load.ts'
import { camelCase, flagName } from '../../options/spec.ts'
import { routerSpecs } from '../../options.ts'
import type { RouterOptions } from '../../options.ts'
import { emptyPage, joinPages } from '../../plugins/decisions.ts'
import vllmRouter from '../../router.ts'
import { routerOptions } from '../app.ts'
import { applyOptions } from '../apply-options.ts'
import type { Applied } from '../apply-options.ts'
import { createLogger } from '../logger.ts'
import { reloadOnChange } from '../reload.ts'
import { cutOffError, notOurs, simulatedFleet, summaryPatienceMs } from '../serve.ts'
import { settled, summary } from '../summary.ts'
import type { Addresses } from '../summary.ts'
import { answerAdmin } from './admin.ts'
import { forker } from './fork.ts'
import { Hub } from './hub.ts'
import { countDropped, FleetMetrics } from './metrics.ts'
import { StartFailure, Supervisor } from './supervisor.ts'
import type { Child, Failure } from './supervisor.ts'

/** A child gets so long to apply options, or to show that it has heard of a change of the fleet. */
const childMs = 10_000

/** Options of what only children have: who callers are, and what the admin routes ask of theirs. */
const childrensOnly: ReadonlySet<string> = new Set([
  ...authenticationTable.map(({ name }) => camelCase(name)), 'adminPort', 'adminHost', 'adminApiKey', 'corsAllowedOrigins', 'swaggerUi', 'accessLog', 'recordTrace', 'recordTraceMaxMb'
])

/** Runs the router in `options.processes` processes and this one. */
export async function serveByProcesses (loaded: LoadedOptions & { command: 'serve' }, load: () => Promise<LoadedOptions>): Promise<void> {
  const { warnings, file } = loaded
  /** What holds now: of a change, the part that could be applied. */
  let options = loaded.options
  const { processes } = options
  /** What each child was last given. */
  const given = new WeakMap<Child, RouterOptions>()
  const terminal = process.stdout.isTTY === true
  const { log, release, setLevel } = await createLogger(options, terminal)
  const fork = forker(() => log.warn('a connection of a process that ended is relayed to another'))
  // they load their code while this process makes the fleet they ask for
  const early = Array.from({ length: processes }, fork)
  const simulators = await simulatedFleet(options)
  const workerUrls = simulators.length > 0 ? simulators.map(simulator => simulator.url) : options.workerUrls

  let page = async (): Promise<string> => ''
  const { app, router } = await makeFleet(options, workerUrls, log, () => page())
  const hub = new Hub(router)
  const supervisor = new Supervisor(processes, systemClock, () => early.shift() ?? fork(), asking => ({
    async decisions (filter) {
      const others = supervisor.children.filter(child => child !== asking)
      // a process that does not answer is left out
      return joinPages(await Promise.all(others.map(child => child.channel.ask('decisions', filter, childMs).catch(() => emptyPage))), filter)
    },
    async admin (request) {
      const answer = await answerAdmin(app, request)
      // who reads the answer finds the change wherever he asks next
      hub.flush()
      await Promise.all(supervisor.children.map(child => child.channel.ask('alive', undefined, childMs).catch(() => {})))
      return answer
    }
  }))
  const metrics = new FleetMetrics(router, () => supervisor)
  page = () => metrics.metrics()
  countDropped(router.metricsRegistry, () => hub.dropped)

  async function give (child: Child, changed: RouterOptions): Promise<Applied> {
    given.set(child, options)
    return await child.channel.ask('options', { ...changed, processes }, childMs)
  }

  let cutOff = 0
  let addresses: Addresses | undefined
  supervisor.on('message', (child, message) => {
    switch (message.type) {
      case 'hello':
        given.set(child, options)
        child.channel.post({ type: 'start', options, index: child.index, sources: hub.sources() })
        return
      case 'made':
        hub.join(child, child.channel.post)
        return
      case 'report':
        hub.hear(child, message)
        return
      case 'listening':
        addresses = { address: message.address, admin: message.admin }
        // changed while it started
        if (given.get(child) !== options) void give(child, options).catch((err: unknown) => log.error({ err }, 'a new process does not take changed options'))
        return
      case 'ended':
        cutOff += message.requests
        metrics.retire(child, message.metrics)
    }
  })
  supervisor.on('gone', (child, why, expected) => {
    hub.leave(child)
    metrics.retire(child)
    if (expected) return
    log.error({ process: child.index + 1 }, `a process ${why}; another takes its place`)
    metrics.restarts.inc()
  })
  router.balancer.on('flushed', () => { for (const { channel } of supervisor.children) channel.post({ type: 'flush' }) })
  router.balancer.on('sessionFinished', session => { for (const { channel } of supervisor.children) channel.post({ type: 'finish', session }) })
  router.deliveries.on('cut', worker => {
    // after the list without it, so that it gets no further request
    hub.flush()
    for (const { channel } of supervisor.children) channel.post({ type: 'cut', worker: worker.id })
  })

  let endReloads = (): void => {}
  let ended: Promise<void> | undefined
  const end = (delayMs: number): Promise<void> => {
    ended ??= (async () => {
      endReloads()
      await supervisor.end({ type: 'end', delayMs, timeoutMs: options.drainTimeoutSecs * 1000 })
      hub.stop()
      await app.close()
      await Promise.all(simulators.map(simulator => simulator.close()))
      log.flush()
    })()
    return ended
  }
  closeWithGrace({ delay: false, logger: log, skip: terminal ? notOurs : [...notOurs, 'SIGHUP'] }, async ({ signal, err }) => {
    release()
    if (err !== undefined) log.fatal({ err }, 'ending after an error nobody caught')
    else log.info({ signal }, 'shutting down')
    await end(err === undefined ? options.drainDelaySecs * 1000 : 0)
    if (cutOff > 0) throw cutOffError(cutOff)
  })

  await app.ready()
  try {
    await supervisor.start()
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error
    process.stderr.write(`vllm-router: ${error.message}\n`)
    process.exit(error.code)
  }
  supervisor.on('failed', ({ message, code }: Failure) => {
    log.fatal(message)
    void end(0).then(() => process.exit(code))
  })
  log.info(`listening on ${addresses?.address ?? ''} in ${processes} processes`)
  log.info(`metrics on ${router.metricsAddress}/metrics`)
  if (addresses?.admin !== undefined) log.info(`admin routes on ${addresses.admin}`)
  endReloads = reloadOnChange({
    onHangup: !terminal,
    isOver: () => ended !== undefined,
    log,
    options,
    file,
    load,
    async apply (before, after) {
      // first here, where most mistakes show: then nothing has changed anywhere
      const own = applyOptions(router, before, after)
      setLevel(after.logLevel)
      const theirs = await Promise.all(supervisor.children.filter(({ state }) => state === 'serving').map(async child => [child, await give(child, after)] as const))
      const applied = together([own, ...theirs.map(([, applied]) => applied)])
      options = withChanges(options, after, applied)
      for (const [child] of theirs) given.set(child, options)
      return applied
    }
  })
  if (addresses !== undefined && (terminal || simulators.length > 0)) {
    await settled(router, summaryPatienceMs)
    process.stdout.write(summary(router, addresses, simulators.length > 0))
  }
  release()
  for (const warning of warnings) log.warn(warning)
}

/** The router without anybody to serve: its sources, its health checks, its admin routes and the metrics listener. */
async function makeFleet (options: RouterOptions, workerUrls: readonly string[], log: Logger, metrics: () => Promise<string>): Promise<{ app: FastifyInstance, router: FastifyInstance }> {
  const app: FastifyInstance = Fastify({ loggerInstance: log as FastifyInstance['log'], logController: new LogController({ disableRequestLogging: true }) })
  const own = Object.fromEntries(Object.entries(routerOptions(options)).filter(([key]) => !childrensOnly.has(key)))
  let router = app
  await app.register(vllmRouter, {
    ...own, workerUrls, metricsListener: { contentType: 'text/plain; version=0.0.4; charset=utf-8', metrics }, extend (scope) { router = scope }
  })
  return { app, router }
}

/** What all have made of a change: ignored is what nobody took. */
function together (all: readonly Applied[]): Applied {
  const changed = [...new Set(all.flatMap(({ changed }) => changed))]
  const ignored = [...new Set(all.flatMap(({ ignored }) => ignored))]
  return { changed: [...changed], ignored: ignored.filter(flag => !changed.includes(flag)) }
}

/** What a process that is started from now on is given: an option that changes with the next start only is that of the start. */
function withChanges (before: RouterOptions, after: RouterOptions, { changed }: Applied): RouterOptions {
  const keys = routerSpecs.filter(({ name }) => changed.includes(flagName(name))).map(({ name }) => camelCase(name) as keyof RouterOptions)
  return { ...before, ...Object.fromEntries(keys.map(key => [key, after[key]])) }
}
