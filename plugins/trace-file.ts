// A file that requests are recorded in: so many bytes and no more, written in the background, and never waited for.
import { open, rename } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { WriteStream } from 'node:fs'
import { OptionFileError, optionFileError } from '../core/option-file.ts'

/** Bytes that wait for the disk; lines beyond that are dropped, as a slow disk must cost neither memory nor time. */
export const maxWaitingBytes = 4 * 1024 * 1024

/** Why a line is not in the file. */
export type Loss = 'slow' | 'full' | 'failed'

/** A file of lines. */
export class TraceFile {
  /** Lines written, and not. */
  written = 0
  readonly lost: Record<Loss, number> = { slow: 0, full: 0, failed: 0 }
  private readonly stream: WriteStream
  private readonly maxBytes: number
  private bytes = 0
  private failed = false

  private constructor (stream: WriteStream, maxBytes: number, onError: (error: Error) => void) {
    this.stream = stream
    this.maxBytes = maxBytes
    stream.on('error', error => {
      if (!this.failed) onError(error)
      this.failed = true
    })
  }

  /**
   * Opens the file; one that is there already is kept as `<path>.1`.
   * @throws OptionFileError
   */
  static async create (path: string, maxBytes: number, onError: (error: Error) => void): Promise<TraceFile> {
    let handle: FileHandle
    try {
      await rename(path, `${path}.1`).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error
      })
      handle = await open(path, 'wx', 0o600)
    } catch (error) {
      if (error instanceof OptionFileError) throw error
      throw optionFileError('recordTrace', path, 'a file that can be written', codeOf(error) ?? 'unknown error', error)
    }
    return new TraceFile(handle.createWriteStream({ highWaterMark: 256 * 1024 }), maxBytes, onError)
  }

  /** Adds a line; why not, where it could not be. */
  add (line: string): Loss | undefined {
    const loss = this.lossOf(line.length + 1)
    if (loss !== undefined) {
      this.lost[loss]++
      return loss
    }
    this.bytes += line.length + 1
    this.written++
    this.stream.write(line + '\n')
    return undefined
  }

  /** Everything that was taken is in the file. */
  async close (): Promise<void> {
    if (this.failed) return
    await new Promise<void>(resolve => {
      this.stream.once('error', () => resolve())
      this.stream.end(resolve)
    })
  }

  private lossOf (bytes: number): Loss | undefined {
    if (this.failed) return 'failed'
    // once full, always full: a short line after a long one that was left out would be a hole nobody sees
    if (this.lost.full > 0 || this.bytes + bytes > this.maxBytes) return 'full'
    return this.stream.writableLength + bytes > maxWaitingBytes ? 'slow' : undefined
  }
}

function codeOf (error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
