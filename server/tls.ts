// The certificate of the server and the authorities of its clients: read from files, checked, and put in the place of the old ones when they change.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { SecureContextOptions, Server as TlsServer, TlsOptions } from 'node:tls'
import { createSecureContext } from 'node:tls'
import type { Logger } from 'pino'
import { optionFileError, readOptionFile, watchOptionFiles } from '../core/option-file.ts'
import { readCertificates } from '../core/worker-tls.ts'
import { OptionsError } from '../options.ts'
import type { RouterOptions } from '../options.ts'

/** Options that name files of the server's TLS. */
export const tlsFiles = ['tlsCert', 'tlsKey', 'tlsClientCa'] as const

/** The same with their values. */
export type TlsPaths = Pick<RouterOptions, (typeof tlsFiles)[number]>

/** What the files held when they were last read and found good. */
interface Material {
  readonly files: SecureContextOptions
  /** When the server's certificate ends. */
  readonly validTo: Date
  readonly hash: string
}

/**
 * Reads the files.
 * @throws OptionFileError, which names the option whose file is not good
 */
function read ({ tlsCert = '', tlsKey = '', tlsClientCa }: TlsPaths): Material {
  const cert = readCertificates('tlsCert', tlsCert, 'a PEM file with a certificate')
  const key = readOptionFile('tlsKey', tlsKey, 'a PEM file with a private key')
  const ca = tlsClientCa === undefined ? undefined : readCertificates('tlsClientCa', tlsClientCa, 'a PEM file of certificates')
  const certificate = new X509Certificate(cert)
  let matches: boolean
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(key))
  } catch (error) {
    throw optionFileError('tlsKey', tlsKey, 'a PEM file with a private key', 'it holds none, or one with a passphrase', error)
  }
  if (!matches) throw optionFileError('tlsKey', tlsKey, 'the private key of tlsCert', 'it is the key of another certificate')
  const files = { cert, key, ...(ca === undefined ? {} : { ca }) }
  try {
    createSecureContext(files)
  } catch (error) {
    throw optionFileError('tlsCert', tlsCert, 'a certificate that can be served', error instanceof Error ? error.message : 'unknown error', error)
  }
  return { files, validTo: new Date(certificate.validTo), hash: [cert, key, ca].map(file => file?.toString('base64')).join() }
}

/** The TLS of all servers of this process. */
export class ServerTls {
  private readonly log: Logger
  private readonly servers = new Set<TlsServer>()
  private paths: TlsPaths
  private material: Material
  private endWatch: () => void

  /** @throws OptionFileError */
  constructor (paths: TlsPaths, log: Logger) {
    this.log = log
    this.paths = paths
    this.material = read(paths)
    this.warn()
    this.endWatch = this.watch()
  }

  /** Options for a server to be made now. */
  get options (): TlsOptions {
    return { ...this.material.files, ...(this.paths.tlsClientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: true }) }
  }

  /** Keeps a server's certificates up to date; connections that stand are not touched. */
  follow (server: TlsServer): void {
    this.servers.add(server)
    server.once('close', () => this.servers.delete(server))
  }

  /**
   * Changes which files are read.
   * @throws OptionFileError, and then all stays as it was
   */
  configure (paths: TlsPaths): void {
    if (tlsFiles.every(key => paths[key] === this.paths[key])) return
    for (const key of tlsFiles) {
      if ((paths[key] === undefined) !== (this.paths[key] === undefined)) throw new OptionsError(`${key} can be given, or taken away, with the next start only`)
    }
    this.take(read(paths))
    this.paths = paths
    this.endWatch()
    this.endWatch = this.watch()
  }

  close (): void {
    this.endWatch()
  }

  private watch (): () => void {
    const { tlsCert, tlsKey, tlsClientCa } = this.paths
    return watchOptionFiles([tlsCert, tlsKey, tlsClientCa].filter(path => path !== undefined), () => this.reread())
  }

  private reread (): void {
    try {
      const material = read(this.paths)
      if (material.hash === this.material.hash) return
      this.take(material)
      this.log.info({ validTo: material.validTo }, 'certificates changed')
    } catch (error) {
      this.log.error(`certificates stay as they were: ${error instanceof Error ? error.message : 'unknown error'}`)
    }
  }

  private take (material: Material): void {
    for (const server of this.servers) server.setSecureContext(material.files)
    this.material = material
    this.warn()
  }

  private warn (): void {
    const { validTo } = this.material
    if (validTo.getTime() < Date.now()) this.log.warn({ validTo }, 'the certificate of --tls-cert is no longer valid')
  }
}
