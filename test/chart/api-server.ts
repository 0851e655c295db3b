// A real Kubernetes API server with its etcd on loopback, without nodes and controllers: it checks what it is given, and decides who may do what.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { until } from '../helpers/until.ts'

/** A Kubernetes object, as far as tests look at it. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string, readonly namespace?: string, readonly labels?: Readonly<Record<string, string>>, readonly annotations?: Readonly<Record<string, string>> }
  readonly [part: string]: unknown
}

/** An answer of the API server. */
export interface KubeAnswer {
  readonly status: number
  /** Its `message` where it refuses. */
  readonly body: { readonly message?: string, readonly [part: string]: unknown }
  /** Warnings, such as of a deprecated version. */
  readonly warnings: readonly string[]
}

/** Starts of processes that outlive a crash of the test would be found by nobody. */
const children = new Set<ChildProcess>()
process.once('exit', () => { for (const child of children) child.kill('SIGKILL') })

async function freePorts (count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

/** A running API server. */
export class ApiServer {
  readonly url: string
  readonly kubeconfig: string
  private readonly token: string
  private readonly ca: string
  private readonly processes: readonly ChildProcess[]
  private readonly folder: string
  private readonly resources = new Map<string, Promise<ReadonlyMap<string, { name: string, namespaced: boolean }>>>()

  private constructor (folder: string, port: number, token: string, processes: readonly ChildProcess[]) {
    this.folder = folder
    this.token = token
    this.processes = processes
    this.url = `https://127.0.0.1:${port}`
    this.ca = readFileSync(join(folder, 'certs/apiserver.crt'), 'utf8')
    this.kubeconfig = join(folder, 'kubeconfig')
    writeFileSync(this.kubeconfig, JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster: { server: this.url, 'certificate-authority': join(folder, 'certs/apiserver.crt') } }],
      users: [{ name: 'admin', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
      'current-context': 'test'
    }))
  }

  /** Starts one on free ports and waits until it is ready. */
  static async start (tools: { etcd: string, apiServer: string }): Promise<ApiServer> {
    const folder = mkdtempSync(join(tmpdir(), 'vllm-router-kube-'))
    const [port = 0, etcdPort = 0, peerPort = 0] = await freePorts(3)
    const token = randomBytes(16).toString('hex')
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs1', format: 'pem' } })
    writeFileSync(join(folder, 'accounts.key'), privateKey, { mode: 0o600 })
    writeFileSync(join(folder, 'tokens.csv'), `${token},admin,1,system:masters\n`, { mode: 0o600 })
    const etcdUrl = `http://127.0.0.1:${etcdPort}`
    const peerUrl = `http://127.0.0.1:${peerPort}`
    const processes = [
      run(tools.etcd, [
        '--data-dir', join(folder, 'etcd'), '--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl, '--listen-peer-urls', peerUrl,
        '--initial-advertise-peer-urls', peerUrl, '--initial-cluster', `default=${peerUrl}`, '--unsafe-no-fsync'
      ]),
      run(tools.apiServer, [
        '--etcd-servers', etcdUrl, '--bind-address', '127.0.0.1', '--advertise-address', '127.0.0.1', '--secure-port', String(port),
        '--cert-dir', join(folder, 'certs'), '--token-auth-file', join(folder, 'tokens.csv'), '--authorization-mode', 'RBAC',
        '--service-account-issuer', 'https://kubernetes.default.svc', '--service-account-key-file', join(folder, 'accounts.key'),
        '--service-account-signing-key-file', join(folder, 'accounts.key'), '--service-cluster-ip-range', '10.0.0.0/16,fd00:10::/112',
        '--endpoint-reconciler-type', 'none', '--disable-admission-plugins', 'ServiceAccount', '--enable-priority-and-fairness=false'
      ])
    ]
    try {
      return await until('an API server that is ready', async () => {
        for (const { child, said } of processes) if (child.exitCode !== null) throw new Error(`ended while it started:\n${said().slice(-2000)}`)
        try {
          const server = new ApiServer(folder, port, token, processes.map(({ child }) => child))
          if ((await server.ask('GET', '/readyz')).status === 200) return server
        } catch {
          // it has no certificate, or does not listen yet
        }
        await after(100)
        return false
      }, 90_000)
    } catch (error) {
      await end(processes.map(({ child }) => child))
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Asks the API server. */
  async ask (method: string, path: string, body?: object): Promise<KubeAnswer> {
    return await new Promise((resolve, reject) => {
      const asked = request(this.url + path, {
        method, ca: this.ca, agent: false, timeout: 20_000, headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' }
      }, answer => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (chunk: string) => { text += chunk })
        answer.on('end', () => {
          const warnings = [answer.headers['warning'] ?? []].flat().map(String)
          resolve({ status: answer.statusCode ?? 0, warnings, body: text.startsWith('{') ? JSON.parse(text) as KubeAnswer['body'] : { message: text } })
        })
        answer.on('error', reject)
      })
      asked.on('timeout', () => asked.destroy(new Error(`${method} ${path}: no answer`)))
      asked.on('error', reject)
      asked.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  /** Where objects of a kind are kept; undefined where the server does not know it. */
  async pathOf ({ apiVersion, kind, metadata }: KubeObject, namespace: string): Promise<string | undefined> {
    const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
    let known = this.resources.get(root)
    if (known === undefined) {
      known = this.ask('GET', root).then(({ body }) => new Map((body['resources'] as Array<{ name: string, kind: string, namespaced: boolean }> | undefined ?? [])
        .filter(({ name }) => !name.includes('/')).map(({ kind, ...one }) => [kind, one])))
      this.resources.set(root, known)
    }
    const resource = (await known).get(kind)
    if (resource === undefined) {
      this.resources.delete(root)
      return undefined
    }
    return resource.namespaced ? `${root}/namespaces/${metadata.namespace ?? namespace}/${resource.name}` : `${root}/${resource.name}`
  }

  /**
   * Creates an object, or only asks whether it could be created.
   * @returns undefined where the server does not know the kind
   */
  async create (object: KubeObject, { dryRun = false, namespace = 'default' } = {}): Promise<KubeAnswer | undefined> {
    const path = await this.pathOf(object, namespace)
    return path === undefined ? undefined : await this.ask('POST', `${path}?fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`, object)
  }

  /** Ends both processes and removes what they kept. */
  async close (): Promise<void> {
    await end(this.processes)
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function run (command: string, args: readonly string[]): { child: ChildProcess, said: () => string } {
  const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const read = (chunk: Buffer): void => { text = (text + chunk.toString()).slice(-20_000) }
  child.stdout.on('data', read)
  child.stderr.on('data', read)
  children.add(child)
  child.once('close', () => children.delete(child))
  return { child, said: () => text }
}

/** Nothing is to be kept, so nothing is waited for. */
async function end (processes: readonly ChildProcess[]): Promise<void> {
  await Promise.all([...processes].reverse().map(async child => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
  }))
}
