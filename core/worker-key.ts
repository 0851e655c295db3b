// The router's own key for workers, as it is now: given as it is, or as the first line of a file that may be replaced at any time.
import { optionFileError, readOptionFile, watchOptionFiles } from './option-file.ts'

/** Where the key comes from; one of them, or none. */
export interface WorkerKeySource {
  apiKey?: string | undefined
  /** Path of a file whose first line is the key. */
  apiKeyFile?: string | undefined
}

const takes = 'a file whose first line is a key'

function keyIn (path: string): string {
  const [line = ''] = readOptionFile('apiKeyFile', path, takes).toString('utf8').replace(/^\ufeff/, '').split('\n', 1)
  const key = line.trim()
  if (key === '') throw optionFileError('apiKeyFile', path, takes, 'its first line is empty')
  if (!/^[\x21-\x7e]+$/.test(key)) throw optionFileError('apiKeyFile', path, takes, 'the first line is not made of visible ASCII characters')
  return key
}

/** A key that may change. */
export class WorkerKey {
  private key: string | undefined
  private endWatch: (() => void) | undefined
  private readonly log: (message: string, failed: boolean) => void

  /**
   * @param log told when the key of a file changed, and when it could not be read again
   * @throws OptionFileError
   */
  constructor (source: WorkerKeySource, log: (message: string, failed: boolean) => void) {
    this.log = log
    this.configure(source)
  }

  /** `Authorization` for workers; undefined = there is no key. Ask for it at each use. */
  get authorization (): string | undefined {
    return this.key === undefined ? undefined : `Bearer ${this.key}`
  }

  /** Changes where the key comes from. @throws OptionFileError, and then the old key stays */
  configure ({ apiKey, apiKeyFile }: WorkerKeySource): void {
    this.key = apiKeyFile === undefined ? apiKey : keyIn(apiKeyFile)
    this.endWatch?.()
    this.endWatch = apiKeyFile === undefined ? undefined : watchOptionFiles([apiKeyFile], () => this.read(apiKeyFile))
  }

  close (): void {
    this.endWatch?.()
  }

  private read (path: string): void {
    try {
      const key = keyIn(path)
      if (key === this.key) return
      this.key = key
      this.log('the key for workers changed', false)
    } catch (error) {
      this.log(`the key for workers stays as it was: ${error instanceof Error ? error.message : 'unknown error'}`, true)
    }
  }
}
