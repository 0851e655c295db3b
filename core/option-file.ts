// Reads the files that options name, and tells when they change: keys and certificates, which are replaced while a server runs.
import { readFileSync } from 'node:fs'
import { watchFile } from './watch-file.ts'

/** Longest file read; a bundle of all public certification authorities has about 250 KB. */
const longest = 4 * 1024 * 1024

/** Files are replaced one after the other: this long after the last change they are read together. */
const togetherMs = 200

/** A file that cannot be used. The message is one line that begins with the option's name in camelCase, and shows nothing of what is in the file. */
export class OptionFileError extends Error {
  override readonly name = 'OptionFileError'
}

/** An error for the file at `path` that `option` names. */
export function optionFileError (option: string, path: string, takes: string, reason: string, cause?: unknown): OptionFileError {
  return new OptionFileError(`${option} takes ${takes}, not ${JSON.stringify(path)}: ${reason}`, { cause })
}

const reasons: Readonly<Record<string, string>> = { ENOENT: 'there is no such file', EACCES: 'it may not be read', EISDIR: 'it is a folder' }

/**
 * The content of a file. Read at once, because nothing can go on without it: at the start, and when it changed.
 * @param takes what the option takes, for the error
 * @throws OptionFileError
 */
export function readOptionFile (option: string, path: string, takes: string): Buffer {
  let content: Buffer
  try {
    content = readFileSync(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw optionFileError(option, path, takes, reasons[code] ?? code, error)
  }
  if (content.length > longest) throw optionFileError(option, path, takes, `it is longer than ${longest} bytes`)
  if (content.length === 0) throw optionFileError(option, path, takes, 'it is empty')
  return content
}

/** Calls `changed` soon after one of several files changed, or can be read no more, once for changes that come together. Returns what ends the watch. */
export function watchOptionFiles (paths: readonly string[], changed: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  const soon = (): void => {
    clearTimeout(timer)
    timer = setTimeout(changed, togetherMs)
    timer.unref()
  }
  const ends = [...new Set(paths)].map(path => watchFile(path, soon, soon))
  return () => {
    clearTimeout(timer)
    for (const end of ends) end()
  }
}
