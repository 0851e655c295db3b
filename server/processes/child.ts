// One of the processes that serve: the same application as a router of one process has, with a fleet that the primary looks after.
import cluster from 'node:cluster'
import closeWithGrace from 'close-with-grace'
import { OptionFileError } from '../../core/option-file.ts'
import { OptionsError } from '../../options.ts'
import { disaggregationOf } from '../../plugins/disaggregation.ts'
import { makeApp } from '../app.ts'
import type { ServerApp } from '../app.ts'
import { endGracefully } from '../end.ts'
import type { EndOptions } from '../end.ts'
import { createLogger } from '../logger.ts'
import { notOurs, ownOptions } from '../serve.ts'
import { startError } from '../start-error.ts'
import { handOver } from './admin.ts'
import { Channel } from './channel.ts'
import { Follower } from './follower.ts'
import type { StartMessage, ToChild, ToPrimary } from './messages.ts'
import { countDropped, readMetrics } from './metrics.ts'
import { Reporter } from './reporter.ts'
import { shareOptions } from './shares.ts'

/** Longest time the primary may take for a change of the fleet, which may ask every worker. */
const adminMs = 60_000

/** For the primary, which is sent the same where a terminal or a service manager sends them to all processes. */
const forPrimary = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP'] as const

for (const signal of forPrimary) process.on(signal, () => {})

const channel = new Channel<ToPrimary>((message, sent) => {
  if (process.send === undefined || !process.connected) sent?.()
  else process.send(message, undefined, undefined, () => sent?.())
}, {})

/** Told by each message, once there is somebody to tell. */
let listen: (message: ToChild) => void = message => {
  if (message.type === 'start') void run(message).catch(fail)
  else if (message.type === 'end') process.exit(0)
}
process.on('message', (message: ToChild) => {
  if (message.type === 'question' || message.type === 'answer') channel.take(message)
  else listen(message)
})

function fail (error: unknown): void {
  const code = error instanceof OptionsError || error instanceof OptionFileError ? 2 : 1
  channel.post({ type: 'failed', message: startError(error), code }, () => process.exit(code))
}

async function run ({ options: whole, index, sources }: StartMessage): Promise<void> {
  let options = shareOptions(whole, index)
  const { log, release, setLevel } = await createLogger(options, process.stdout.isTTY === true, `vllm-router-${index + 1}`)
  // what a start has to tell is told by the primary, once
  setLevel('warning')
  const follower = new Follower(sources)
  const server = await makeApp(options, log, {
    followed: follower.sources,
    extend (scope) {
      handOver(scope, async request => await channel.ask('admin', request, adminMs))
    }
  })
  const { router } = server
  follower.follow(router)
  const reporter = new Reporter(router, worker => follower.numberOf(worker), channel.post)
  countDropped(router.metricsRegistry, () => reporter.prefixes.dropped + follower.dropped)

  let ending: Promise<number> | undefined
  const end = (how: EndOptions): Promise<number> => {
    ending ??= finish(server, reporter, how)
    return ending
  }
  router.decisions.others = async filter => await channel.ask('decisions', filter, adminMs)
  channel.answers = {
    decisions: filter => router.decisions.page(filter),
    alive: () => follower.settled(),
    metrics: async () => {
      reporter.flush()
      return await readMetrics(router.metricsRegistry)
    },
    options (changed) {
      const after = shareOptions(changed, index)
      const applied = server.apply(options, after, ownOptions)
      options = after
      setLevel(after.logLevel)
      return applied
    }
  }
  const known = new Promise<void>(resolve => {
    listen = message => {
      switch (message.type) {
        case 'news':
          follower.hear(message)
          resolve()
          return
        case 'flush':
          router.balancer.flush()
          disaggregationOf(router)?.flush()
          return
        case 'finish':
          router.balancer.finishSession(message.session)
          return
        case 'cut': {
          const worker = router.workers.get(message.worker)
          if (worker !== undefined) router.deliveries.cut(worker)
          return
        }
        case 'end':
          void end(message).then(() => process.exit(0))
      }
    }
  })

  closeWithGrace({ delay: false, logger: log, skip: [...notOurs, ...forPrimary] }, async ({ err }) => {
    log.fatal({ err }, 'a process ends after an error nobody caught')
    channel.post({ type: 'leaving' })
    await end({ delayMs: 0, timeoutMs: options.drainTimeoutSecs * 1000 })
    log.flush()
  })
  // the primary is gone, and with it the port: what is in flight is finished. Without this, the process would end at once
  cluster.worker?.once('disconnect', () => {
    if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true
    log.fatal('the first process of the router is gone')
    void end({ delayMs: 0, timeoutMs: options.drainTimeoutSecs * 1000 }).then(() => process.exit(1))
  })

  channel.post({ type: 'made' })
  await known
  const address = await server.listen()
  channel.post({ type: 'listening', address, admin: options.adminPort === undefined ? undefined : router.adminListener.address })
  setLevel(options.logLevel)
  release()
}

/** Ends the application and tells what there is left to tell; resolves when it has been told. */
async function finish ({ app, router, stopWatching }: ServerApp, reporter: Reporter, how: EndOptions): Promise<number> {
  stopWatching()
  const requests = await endGracefully(app, router, how)
  reporter.flush()
  reporter.stop()
  const metrics = await readMetrics(router.metricsRegistry)
  await new Promise<void>(resolve => channel.post({ type: 'ended', requests, metrics }, resolve))
  return requests
}

channel.post({ type: 'hello' })
