// Reads the options again when somebody asks for it, and applies what may change; a mistake leaves everything as it is.
import type { Logger } from 'pino'
import { OptionFileError } from '../core/option-file.ts'
import { watchFile } from '../core/watch-file.ts'
import { OptionsError } from '../options.ts'
import type { RouterOptions } from '../options.ts'
import type { LoadedOptions } from '../options/load.ts'
import { changedKeys } from './apply-options.ts'
import type { Applied } from './apply-options.ts'
import { inFlags } from './start-error.ts'

/** What reloading needs to know of the server. */
export interface ReloadOptions {
  /** True once the server ends: nothing is changed any more. */
  readonly isOver: () => boolean
  /** Whether SIGHUP means reload. */
  readonly onHangup: boolean
  readonly log: Logger
  readonly options: RouterOptions
  /** The config file, if there is one. */
  readonly file: string | undefined
  /** Reads flags, environment and file as at the start. */
  readonly load: () => Promise<LoadedOptions>
  /** Makes what changed hold. */
  readonly apply: (before: RouterOptions, after: RouterOptions) => Promise<Applied>
}

/** Reloads on SIGHUP and when the config file changes. Returns what ends that. */
export function reloadOnChange (server: ReloadOptions): () => void {
  const { log } = server
  let current = server.options
  let last: Promise<void> = Promise.resolve()

  async function reload (cause: string): Promise<void> {
    if (server.isOver()) return
    try {
      const loaded = await server.load()
      if (loaded.command !== 'serve') return
      const before = current
      const after = loaded.options
      if (changedKeys(before, after).length === 0) {
        log[cause === 'SIGHUP' ? 'info' : 'debug']({ cause }, 'options read again: nothing changed')
        return
      }
      const { changed, ignored } = await server.apply(before, after)
      current = after
      for (const warning of loaded.warnings) log.warn(warning)
      if (changed.length > 0) log.info({ cause, changed }, `options changed: ${changed.join(', ')}`)
      if (ignored.length > 0) log.warn({ cause, ignored }, `options that change with the next start only: ${ignored.join(', ')}`)
    } catch (error) {
      const reason = inFlags(error instanceof Error ? error.message : String(error))
      log.error(error instanceof OptionsError || error instanceof OptionFileError ? { cause } : { cause, err: error }, `options not changed, the old ones stay: ${reason}`)
    }
  }

  // one after another: each begins with what the one before left
  const trigger = (cause: string): void => { last = last.then(() => reload(cause)) }
  const onSignal = (): void => trigger('SIGHUP')
  if (server.onHangup) process.on('SIGHUP', onSignal)
  const unwatch = server.file === undefined ? undefined : watchFile(server.file, () => trigger('file'))
  return () => {
    process.off('SIGHUP', onSignal)
    unwatch?.()
  }
}
