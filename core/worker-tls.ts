// How the router recognises workers behind https://, and shows itself to them: certificates from files, read again when they are replaced.
import { createHash, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { buildConnector } from 'undici'
import { onread } from './http1/connection.ts'
import { optionFileError, readOptionFile, watchOptionFiles } from './option-file.ts'

/** Options for connections to `https://` workers; paths are of PEM files. */
export interface WorkerTlsOptions {
  /** Authorities that workers' certificates must come from, in place of those that Node knows. */
  workerCa?: string | undefined
  /** The router's own certificate, for workers that ask for one, with those between it and its authority. */
  workerClientCert?: string | undefined
  workerClientKey?: string | undefined
  /** Takes any certificate. Default false. */
  workerTlsInsecure?: boolean | undefined
}

type Connector = ReturnType<typeof buildConnector>

/** What makes connections, and a hash of the files it was made from. */
interface Made {
  readonly connector: Connector
  readonly forTraffic: Connector
  readonly hash: string
}

/** The certificates of a PEM file. */
export function readCertificates (option: string, path: string, takes: string): Buffer {
  const content = readOptionFile(option, path, takes)
  try {
    void new X509Certificate(content).subject
  } catch (error) {
    throw optionFileError(option, path, takes, 'it holds no certificate in PEM', error)
  }
  return content
}

/** Makes connections to workers. Those that stand stay as they are when certificates change. */
export class WorkerTls {
  private options: WorkerTlsOptions
  private readonly timeoutMs: number
  private made: Made
  private endWatch: (() => void) | undefined
  private readonly log: (message: string, failed: boolean) => void

  /**
   * @param timeoutMs for a connection to come about
   * @param log told when files changed, and when they could not be read again
   * @throws OptionFileError
   */
  constructor (options: WorkerTlsOptions, timeoutMs: number, log: (message: string, failed: boolean) => void) {
    this.log = log
    this.timeoutMs = timeoutMs
    this.options = options
    this.made = this.read(options)
    this.watch()
  }

  /** For undici's agents. */
  readonly connect: Connector = (options, callback) => this.made.connector(options, callback)
  /** For the agent for traffic. */
  readonly connectForTraffic: Connector = (options, callback) => this.made.forTraffic(options, callback)

  /** Changes options, for connections from now on. @throws OptionFileError, and then the old ones stay */
  configure (options: WorkerTlsOptions): void {
    this.made = this.read(options)
    this.options = options
    this.watch()
  }

  close (): void {
    this.endWatch?.()
  }

  private read ({ workerCa, workerClientCert, workerClientKey, workerTlsInsecure }: WorkerTlsOptions): Made {
    const ca = workerCa === undefined ? undefined : readCertificates('workerCa', workerCa, 'a PEM file of certificates')
    const cert = workerClientCert === undefined ? undefined : readCertificates('workerClientCert', workerClientCert, 'a PEM file with a certificate')
    const key = workerClientKey === undefined ? undefined : readOptionFile('workerClientKey', workerClientKey, 'a PEM file with a private key')
    const files = { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) }
    try {
      createSecureContext(files)
    } catch (error) {
      throw optionFileError('workerClientKey', workerClientKey ?? '', 'the private key of workerClientCert in PEM, without a passphrase', 'it is another one, or none', error)
    }
    const hash = createHash('sha256')
    for (const file of [ca, cert, key]) hash.update(`${file?.length ?? 0} `).update(file ?? '')
    const settings = { timeout: this.timeoutMs, ...files, ...(workerTlsInsecure === true ? { rejectUnauthorized: false } : {}) }
    return {
      connector: buildConnector(settings),
      forTraffic: buildConnector({ ...settings, onread }),
      hash: hash.digest('hex')
    }
  }

  private watch (): void {
    const { workerCa, workerClientCert, workerClientKey } = this.options
    const paths = [workerCa, workerClientCert, workerClientKey].filter(path => path !== undefined)
    this.endWatch?.()
    this.endWatch = paths.length === 0 ? undefined : watchOptionFiles(paths, () => this.reread())
  }

  private reread (): void {
    try {
      const made = this.read(this.options)
      if (made.hash === this.made.hash) return
      this.made = made
      this.log('certificates towards workers changed', false)
    } catch (error) {
      this.log(`certificates towards workers stay as they were: ${error instanceof Error ? error.message : 'unknown error'}`, true)
    }
  }
}
