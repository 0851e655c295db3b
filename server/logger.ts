// The server's log: readable on a terminal, JSON elsewhere, and in files besides when asked for.
import { join } from 'node:path'
import { pino } from 'pino'
import type { Level, Logger } from 'pino'
import type { RouterOptions } from '../options.ts'

const levels: Record<RouterOptions['logLevel'], Level> = {
  debug: 'debug', info: 'info', warn: 'warn', warning: 'warn', error: 'error', critical: 'fatal'
}

/** Days of log files kept; the one being written comes on top. */
const filesKept = 30

/**
 * Makes the logger.
 * @param terminal whether somebody reads along
 */
export async function createLogger (options: Pick<RouterOptions, 'logLevel' | 'logDir'>, terminal: boolean): Promise<Logger> {
  const level = levels[options.logLevel]
  const streams: pino.StreamEntry[] = [{ level, stream: terminal ? await readable() : pino.destination({ fd: 1, sync: true }) }]
  if (options.logDir !== undefined) {
    const file = join(options.logDir, 'vllm-router')
    const stream: pino.DestinationStream = pino.transport({
      target: 'pino-roll',
      options: { file, frequency: 'daily', dateFormat: 'yyyy-MM-dd', extension: '.log', mkdir: true, limit: { count: filesKept } }
    })
    streams.push({ level, stream })
  }
  return pino({ level, redact: ['req.headers.authorization', 'headers.authorization'] }, pino.multistream(streams))
}

async function readable (): Promise<pino.DestinationStream> {
  const { default: pretty } = await import('pino-pretty')
  return pretty({ sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' })
}
