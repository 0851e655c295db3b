// The server's log: readable on a terminal, JSON elsewhere, and in files besides when asked for.
import { constants } from 'node:fs'
import { access, mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { pino } from 'pino'
import type { Level, Logger } from 'pino'
import { OptionsError } from '../options.ts'
import type { RouterOptions } from '../options.ts'

const levels: Record<RouterOptions['logLevel'], Level> = {
  debug: 'debug', info: 'info', warn: 'warn', warning: 'warn', error: 'error', critical: 'fatal'
}

/** Days of log files kept; the one being written comes on top. */
const filesKept = 30

/** A log, and the moment from which a terminal shows it. */
export interface ServerLog {
  readonly log: Logger
  /** Changes the least important level that is logged. */
  setLevel (level: RouterOptions['logLevel']): void
  /** Shows what was held back so that the summary comes first, and everything from now on. */
  release (): void
}

/**
 * Makes the logger.
 * @param terminal whether somebody reads along; then lines are held back until `release`
 * @param name of the log files
 * @throws OptionsError when the folder for log files cannot be written to
 */
export async function createLogger (options: Pick<RouterOptions, 'logLevel' | 'logDir'>, terminal: boolean, name = 'vllm-router'): Promise<ServerLog> {
  const level = levels[options.logLevel]
  const held = terminal ? new HeldStream(await readable()) : undefined
  // the logger's own level decides, which may change; the streams take everything it lets through
  const streams: pino.StreamEntry[] = [{ level: 'trace', stream: held ?? pino.destination({ fd: 1, sync: true }) }]
  if (options.logDir !== undefined) {
    await checkFolder(options.logDir)
    const file = join(options.logDir, name)
    const stream: pino.DestinationStream = pino.transport({
      target: 'pino-roll',
      options: { file, frequency: 'daily', dateFormat: 'yyyy-MM-dd', extension: '.log', mkdir: true, limit: { count: filesKept } }
    })
    streams.push({ level: 'trace', stream })
  }
  const log = pino({ level, redact: ['req.headers.authorization', 'headers.authorization'] }, pino.multistream(streams))
  return { log, setLevel (name) { log.level = levels[name] }, release: () => held?.release() }
}

/** Keeps lines until somebody lets them go. */
class HeldStream implements pino.DestinationStream {
  private readonly inner: pino.DestinationStream
  private lines: string[] | undefined = []

  constructor (inner: pino.DestinationStream) {
    this.inner = inner
  }

  write (line: string): void {
    if (this.lines === undefined) this.inner.write(line)
    else this.lines.push(line)
  }

  release (): void {
    const lines = this.lines ?? []
    this.lines = undefined
    for (const line of lines) this.inner.write(line)
  }
}

/** A log file that cannot be made would be found out by a worker thread, after the start. */
async function checkFolder (folder: string): Promise<void> {
  try {
    await makeFolder(resolve(folder))
    await access(join(folder, '.'), constants.W_OK)
  } catch (error) {
    const code = codeOf(error) ?? 'unknown error'
    throw new OptionsError(`--log-dir takes a folder that can be written to, not "${folder}" (${code})`)
  }
}

/** Step by step: Node's own `recursive` never returns where a file system refuses with ENOENT, as /proc does. */
async function makeFolder (folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    if (codeOf(error) !== 'ENOENT' || dirname(folder) === folder) throw error
    await makeFolder(dirname(folder))
    await mkdir(folder)
  }
}

function codeOf (error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

async function readable (): Promise<pino.DestinationStream> {
  const { default: pretty } = await import('pino-pretty')
  return pretty({ sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname', singleLine: true })
}
