// A real Kubernetes API server with its etcd, on loopback and free ports, for as long as the tests run.
import { generateKeyPairSync } from 'node:crypto'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { untapped } from '../helpers/environment.ts'
import { until } from '../helpers/until.ts'

/** The usual variable for the folder that holds both programs. */
export const assetsVariable = 'KUBEBUILDER_ASSETS'

/** Why there is nothing to test with; undefined when there is. */
export function missingAssets (): string | undefined {
  const folder = process.env[assetsVariable]
  if (folder === undefined || folder === '') return `${assetsVariable} is not set: no etcd and no kube-apiserver to test with`
  const missing = ['etcd', 'kube-apiserver'].filter(name => !existsSync(join(folder, name)))
  return missing.length > 0 ? `${folder} holds no ${missing.join(' and no ')}` : undefined
}

/** Any JSON object of the API; tests look into it as they know it. */
export interface Thing {
  metadata: { name: string, uid: string, resourceVersion: string }
  status?: { token?: string, phase?: string }
  items?: Thing[]
}

/** Users of the static token file: a cluster admin, and one without any right. */
const tokens = { admin: 'admin-token', nobody: 'nobody-token' }

/** The API server, and what tests do to it. */
export class Cluster {
  private readonly folder = mkdtempSync(join(tmpdir(), 'vllm-router-kube-'))
  private readonly assets = process.env[assetsVariable] ?? ''
  private etcd: ChildProcess | undefined
  private server: ChildProcess | undefined
  private agent: Agent | undefined
  private port = 0
  private etcdUrl = ''
  private namespaces = 0

  constructor () {
    // whatever ends the tests, nothing of this may outlive them
    process.once('exit', () => {
      this.server?.kill('SIGKILL')
      this.etcd?.kill('SIGKILL')
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 })
    })
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  }

  /** Where the API server listens; a proxy may stand before it. */
  get address (): { host: string, port: number } {
    return { host: '127.0.0.1', port: this.port }
  }

  /** Starts both; where somebody else took one of the ports meanwhile, on others. */
  async start (attempts = 3): Promise<void> {
    try {
      await this.startBoth()
    } catch (error) {
      await this.killServer()
      await end(this.etcd)
      rmSync(join(this.folder, 'etcd'), { recursive: true, force: true })
      if (attempts === 1) throw error
      await this.start(attempts - 1)
    }
  }

  private async startBoth (): Promise<void> {
    const [etcdPort, peerPort, port] = await freePorts(3)
    this.port = port ?? 0
    this.etcdUrl = `http://127.0.0.1:${etcdPort}`
    const peers = `http://127.0.0.1:${peerPort}`
    const { privateKey, publicKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
    })
    writeFileSync(join(this.folder, 'sa.key'), privateKey)
    writeFileSync(join(this.folder, 'sa.pub'), publicKey)
    writeFileSync(join(this.folder, 'tokens.csv'), `${tokens.admin},admin,1,system:masters\n${tokens.nobody},nobody,2,\n`)
    this.etcd = this.run('etcd', [
      '--data-dir', join(this.folder, 'etcd'), '--listen-client-urls', this.etcdUrl, '--advertise-client-urls', this.etcdUrl,
      '--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers, '--initial-cluster', `default=${peers}`, '--unsafe-no-fsync'
    ])
    await this.startServer()
  }

  /** Starts the API server, on the port it had, and waits until it is ready. */
  async startServer (): Promise<void> {
    const file = (name: string): string => join(this.folder, name)
    const server = this.server = this.run('kube-apiserver', [
      '--etcd-servers', this.etcdUrl, '--bind-address', '127.0.0.1', '--secure-port', String(this.port), '--advertise-address', '127.0.0.1',
      '--service-cluster-ip-range', '10.0.0.0/24', '--cert-dir', file('certificates'), '--token-auth-file', file('tokens.csv'), '--authorization-mode', 'RBAC',
      '--service-account-issuer', 'https://kubernetes.default.svc', '--service-account-key-file', file('sa.pub'), '--service-account-signing-key-file', file('sa.key'),
      '--endpoint-reconciler-type', 'none', '--disable-admission-plugins', 'ServiceAccount', '--enable-priority-and-fairness=false'
    ])
    const says = (name: string): string => `${name} says: ${readFileSync(file(`${name}.log`), 'utf8').slice(-3000)}`
    await until('the API server is ready', async () => {
      if (server.exitCode !== null) throw new Error(`kube-apiserver ended; ${says('kube-apiserver')}`)
      if (this.etcd?.exitCode !== null) throw new Error(`etcd ended; ${says('etcd')}`)
      if (!existsSync(this.ca)) return false
      this.agent ??= new Agent({ connections: 16, connect: { ca: readFileSync(this.ca, 'utf8') } })
      return await this.ask('GET', '/readyz').then(({ status }) => status === 200, () => false)
    }, 40_000).catch((error: unknown) => {
      throw new Error(`${String(error)}; ${says('etcd')}; ${says('kube-apiserver')}`)
    })
  }

  /** Ends the API server without a word. */
  async killServer (): Promise<void> {
    await end(this.server)
    await this.agent?.destroy()
    this.agent = undefined
  }

  async stop (): Promise<void> {
    await this.killServer()
    await end(this.etcd)
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** The certificate that the API server made for itself. */
  get ca (): string {
    return join(this.folder, 'certificates', 'apiserver.crt')
  }

  /** A kubeconfig's text, for a server at `port`. */
  kubeconfig (user: keyof typeof tokens = 'admin', port = this.port): string {
    return JSON.stringify({
      clusters: [{ name: 'test', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority': this.ca } }],
      users: [{ name: 'user', user: { token: tokens[user] } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'user' } }],
      'current-context': 'test'
    })
  }

  /** A file with the admin's kubeconfig, for other processes. */
  get kubeconfigFile (): string {
    const file = join(this.folder, 'kubeconfig')
    writeFileSync(file, this.kubeconfig())
    return file
  }

  /** One call as admin; rejects for any status of 400 and above. */
  async call (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<Thing> {
    const { status, text } = await this.ask(method, path, body)
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text.slice(0, 300)}`)
    return JSON.parse(text) as Thing
  }

  /** A new namespace; returns its name. */
  async namespace (): Promise<string> {
    const name = `test-${++this.namespaces}`
    await this.call('POST', '/api/v1/namespaces', { metadata: { name } })
    return name
  }

  /** Lets the store come to later versions without the API server, and forget all that was before. */
  async moveOn (): Promise<void> {
    const post = async (path: string, body: object): Promise<string> => {
      const { statusCode, body: answer } = await request(this.etcdUrl + path, { method: 'POST', body: JSON.stringify(body) })
      const text = await answer.text()
      if (statusCode !== 200) throw new Error(`${path}: ${statusCode} ${text}`)
      return (JSON.parse(text) as { header: { revision: string } }).header.revision
    }
    const key = Buffer.from('elsewhere').toString('base64')
    let revision = ''
    for (let i = 0; i < 10; i++) revision = await post('/v3/kv/put', { key, value: key })
    await post('/v3/kv/compaction', { revision, physical: true })
  }

  private async ask (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<{ status: number, text: string }> {
    const type = method === 'PATCH' ? 'application/strategic-merge-patch+json' : 'application/json'
    const { statusCode, body: answer } = await request(`https://127.0.0.1:${this.port}${path}`, {
      method, ...(this.agent === undefined ? {} : { dispatcher: this.agent }), headers: { authorization: `Bearer ${tokens.admin}`, 'content-type': type }, body: body === undefined ? null : JSON.stringify(body)
    })
    return { status: statusCode, text: await answer.text() }
  }

  private run (name: string, args: readonly string[]): ChildProcess {
    const log = openSync(join(this.folder, `${name}.log`), 'a')
    const child = spawn(...untapped(join(this.assets, name), args), { stdio: ['ignore', log, log] })
    closeSync(log)
    child.on('error', () => {})
    return child
  }
}

async function end (child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** Ports that were free a moment ago. */
async function freePorts (count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
