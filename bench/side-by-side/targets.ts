// What is measured side by side, and how each of them is started.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { moduleAt } from '../faults/processes.ts'
import { ask } from './ask.ts'
import { root } from './native.ts'

/** The workers a target is given, by their role: regular ones, or prefill and decode workers. */
export interface Fleet {
  readonly regular: readonly string[]
  readonly prefill: readonly string[]
  readonly decode: readonly string[]
}

/** What a target is started with. */
export interface StartOptions {
  readonly port: number
  readonly metricsPort: number
  readonly fleet: Fleet
  readonly policy: string
  /** The router's compiled `server.js`. */
  readonly server: string
  /** The folder in which `bench/setup` puts peers. */
  readonly peers: string
  /** Flags for Node, where the target runs on it. */
  readonly nodeFlags: readonly string[]
}

/** Something that takes requests for workers. */
export interface Target {
  readonly name: string
  /** Its policy in scenarios that ask for no other. */
  readonly usualPolicy: string
  /** False: it takes no policy, and has no workers that it looks after. */
  readonly router: boolean
  /** It can give the two halves of a request to two workers. */
  readonly splits?: true
  /** It runs on Node, so that a profile can be taken of it. */
  readonly node?: boolean
  /** Measured only where it is named. */
  readonly onDemand?: boolean
  /** Its version; undefined where it is not installed. */
  version (peers: string, server: string): string | undefined
  /** Undefined: there is no process, the load goes to a worker. */
  command (options: StartOptions): { command: string, args: string[] } | undefined
  /** True once it takes requests for all of its workers; by default, once it answers. */
  ready? (url: string, fleet: Fleet): Promise<boolean>
}

/** The version of a Python package in the virtual environment of a peer. */
function installed (peers: string, name: string): string | undefined {
  const libraries = join(peers, name, 'lib')
  if (!existsSync(join(peers, name, 'bin', name))) return undefined
  const start = `${name.replaceAll('-', '_')}-`
  for (const python of readdirSync(libraries)) {
    const found = readdirSync(join(libraries, python, 'site-packages')).find(entry => entry.startsWith(start) && entry.endsWith('.dist-info'))
    if (found !== undefined) return found.slice(start.length, -'.dist-info'.length)
  }
  return 'of unknown version'
}

const direct: Target = {
  name: 'direct',
  usualPolicy: '',
  router: false,
  version: () => '',
  command: () => undefined
}

/** How our router and the one it replaces are told of their workers. */
function workerFlags ({ regular, prefill, decode }: Fleet): string[] {
  if (regular.length > 0) return ['--worker-urls', ...regular]
  return ['--vllm-pd-disaggregation', ...prefill.flatMap(url => ['--prefill', url]), ...decode.flatMap(url => ['--decode', url])]
}

const ours: Target = {
  name: 'router',
  usualPolicy: 'cache_aware',
  router: true,
  splits: true,
  node: true,
  version: (_, server) => existsSync(server) ? 'this tree' : undefined,
  // the defaults are what a user runs: metrics, breakers, retries, outlier detection and request ids are on
  command: ({ port, metricsPort, fleet, policy, server, nodeFlags }) => ({
    command: process.execPath,
    // where requests can be split, all are
    args: [...nodeFlags, server, '--port', String(port), '--prometheus-port', String(metricsPort), '--policy', policy,
      ...fleet.prefill.length > 0 ? ['--pd-min-uncached-tokens', '0'] : [], ...workerFlags(fleet)]
  }),
  async ready (url, fleet) {
    const answer = await ask(`${url}/workers`)
    if (answer?.status !== 200) return false
    const { workers } = JSON.parse(answer.text) as { workers: { state: string }[] }
    return workers.filter(({ state }) => state === 'ready').length === fleet.regular.length + fleet.prefill.length + fleet.decode.length
  }
}

/** The same in two processes that serve, and one that does not. */
const pair: Target = {
  ...ours,
  name: 'router-2p',
  onDemand: true,
  command (options) {
    const made = ours.command(options)
    return made === undefined ? undefined : { ...made, args: [...made.args, '--processes', '2'] }
  }
}

const plain: Target = {
  name: 'plain',
  usualPolicy: 'in turn',
  router: false,
  node: true,
  version: () => 'Fastify + @fastify/reply-from',
  command: ({ port, fleet, nodeFlags }) => ({
    command: process.execPath, args: [...nodeFlags, moduleAt('../side-by-side/plain-proxy.js'), String(port), ...fleet.regular]
  })
}

const vllmRouter: Target = {
  name: 'vllm-router',
  usualPolicy: 'round_robin',
  router: true,
  splits: true,
  version: peers => installed(peers, 'vllm-router'),
  command: ({ port, metricsPort, fleet, policy, peers }) => ({
    command: join(peers, 'vllm-router', 'bin', 'vllm-router'),
    args: ['--port', String(port), '--prometheus-port', String(metricsPort), '--policy', policy, ...workerFlags(fleet)]
  })
}

const smg: Target = {
  name: 'smg',
  usualPolicy: 'round_robin',
  router: true,
  version: peers => installed(peers, 'smg'),
  command: ({ port, metricsPort, fleet, policy, peers }) => ({
    command: join(peers, 'smg', 'bin', 'smg'),
    // there is no tokenizer of the model `bench` to be fetched
    args: ['launch', '--host', '127.0.0.1', '--port', String(port), '--prometheus-port', String(metricsPort), '--prometheus-host', '127.0.0.1',
      '--policy', policy, '--disable-tokenizer-autoload', '--worker-urls', ...fleet.regular]
  })
}

/** All of them, in the order of the tables. */
export const targets: readonly Target[] = [direct, ours, pair, plain, vllmRouter, smg]

/** The target this project answers for. */
export const oursName = ours.name

/** `dist/server.js`, which users run, else the one compiled beside the harness. */
export function serverFile (): string {
  const built = join(root, 'dist', 'server.js')
  return existsSync(built) ? built : moduleAt('../../server.js')
}
