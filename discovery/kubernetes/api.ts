// Asks the API server, with the credentials of a kubeconfig or of the pod the router runs in.
//
// Of `@kubernetes/client-node` only its reading of credentials is used: its informer stops after most errors and its watch waits for
// ever on a connection that died silently, which is what discovery must survive.
import { request as requestHttp } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { RequestOptions } from 'node:https'
import { once } from 'node:events'
import type { KubeConfig } from '@kubernetes/client-node'
import type { Status } from './objects.ts'

/** Longest page of a list: 200 pods have 2 to 4 MB. */
const longestPage = 64 * 1024 * 1024
/** Longest line of a watch: objects have 1.5 MB at most where they are stored. */
const longestLine = 8 * 1024 * 1024
/** Longest error that is read. */
const longestError = 64 * 1024

/** An error the API server answered with. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number

  constructor (status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** What lists and watches need of an API server. */
export interface ListWatchApi {
  /** A whole answer. Rejects with an ApiError for any status but 200, and with the system's error when there is no answer. */
  json (path: string, signal: AbortSignal): Promise<unknown>
  /** A stream of lines: calls `heard` for every sign of life and `line` for each line; resolves when the server ends it. */
  lines (path: string, signal: AbortSignal, heard: () => void, line: (text: string) => void): Promise<void>
}

/** Fills in the cluster and the user: by default as kubectl finds them, KUBECONFIG, then ~/.kube/config, then the pod's service account. */
export type LoadConfig = (config: KubeConfig) => void

/** As kubectl does; client-node makes up a server where there is nothing, which would only be told as refused. */
function loadDefault (config: KubeConfig): void {
  config.loadFromDefault()
  if (config.getCurrentContext() === 'loaded-context') throw new Error('no credentials: there is neither KUBECONFIG nor ~/.kube/config, nor a service account')
}

/** The API server of one kubeconfig. Each request has a connection of its own: one that died silently is never used again. */
export class KubernetesApi implements ListWatchApi {
  private readonly load: LoadConfig
  private config: Promise<KubeConfig> | undefined

  constructor (load: LoadConfig = loadDefault) {
    this.load = load
  }

  async json (path: string, signal: AbortSignal): Promise<unknown> {
    const response = await this.get(path, signal)
    return JSON.parse(await readAll(response, longestPage))
  }

  async lines (path: string, signal: AbortSignal, heard: () => void, line: (text: string) => void): Promise<void> {
    const response = await this.get(path, signal)
    heard()
    let pieces: Buffer[] = []
    let length = 0
    for await (const chunk of response as AsyncIterable<Buffer>) {
      heard()
      let at = 0
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, at)) {
        pieces.push(chunk.subarray(at, end))
        const text = Buffer.concat(pieces).toString()
        pieces = []
        length = 0
        at = end + 1
        if (text !== '') line(text)
      }
      if (at === chunk.length) continue
      pieces.push(chunk.subarray(at))
      length += chunk.length - at
      if (length > longestLine) throw new Error(`a line of more than ${longestLine} bytes`)
    }
  }

  private async get (path: string, signal: AbortSignal): Promise<IncomingMessage> {
    let response = await this.ask(path, signal)
    if (response.statusCode === 401) {
      response.resume()
      response = await this.ask(path, signal)
    }
    if (response.statusCode !== 200) throw await errorOf(response)
    return response
  }

  private async ask (path: string, signal: AbortSignal): Promise<IncomingMessage> {
    const config = await (this.config ??= this.configure())
    const cluster = config.getCurrentCluster()
    if (cluster === null) throw new Error('the kubeconfig names no cluster')
    const options: RequestOptions = { method: 'GET', headers: { accept: 'application/json' }, signal }
    // reads the token file anew when it is a minute old, asks credential helpers when their answer has expired, makes an agent with TLS and proxy
    await config.applyToHTTPSOptions(options)
    const url = new URL(cluster.server + path)
    const request = (url.protocol === 'http:' ? requestHttp : requestHttps)(url, { ...options, headers: trimmed(options.headers) })
    // one that comes once the answer is there is the answer's, too
    request.on('error', () => {})
    request.end()
    const [response] = await once(request, 'response') as [IncomingMessage]
    // the token may have been replaced: all credentials are read anew, which happens once a minute otherwise
    if (response.statusCode === 401) this.config = undefined
    return response
  }

  private async configure (): Promise<KubeConfig> {
    try {
      // half a second and 70 MB, which only those pay who use Kubernetes
      const { KubeConfig } = await import('@kubernetes/client-node')
      const config = new KubeConfig()
      this.load(config)
      return config
    } catch (error) {
      this.config = undefined
      throw error
    }
  }
}

/** Header values without the line break a token file may end with. */
function trimmed (headers: RequestOptions['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).flatMap(([name, value]) => value === undefined ? [] : [[name, String(value).trim()]]))
}

async function readAll (response: IncomingMessage, most: number): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > most) throw new Error(`an answer of more than ${most} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

async function errorOf (response: IncomingMessage): Promise<ApiError> {
  const status = response.statusCode ?? 0
  const text = await readAll(response, longestError).catch(() => '')
  return new ApiError(status, messageOf(text) ?? `status ${status}`)
}

function messageOf (text: string): string | undefined {
  try {
    const { message } = JSON.parse(text) as Status
    return typeof message === 'string' ? message : undefined
  } catch {
    return undefined
  }
}

/** In place of the system's messages, which hold addresses. */
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  ETIMEDOUT: 'no connection in time',
  EHOSTUNREACH: 'no way to the API server',
  ENETUNREACH: 'no way to the API server',
  ENOTFOUND: 'the API server\'s name is not known',
  EAI_AGAIN: 'the API server\'s name cannot be looked up'
}

/** Why a request did not succeed, without addresses and paths. */
export function explain (error: unknown): string {
  if (error instanceof ApiError) return `${error.message} (${error.status})`
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  if (!(first instanceof Error)) return String(first)
  const code = 'code' in first && typeof first.code === 'string' ? first.code : ''
  if ('path' in first && 'syscall' in first) return `a file of the credentials cannot be read (${code})`
  return words[code] ?? first.message
}
