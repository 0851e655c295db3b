// `npm run bench:release`: what this router costs a request beside the newest release, by turns on the same machine; fails when it costs clearly more.
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startPlainWorker } from '../faults/plain-fleet.ts'
import { end, moduleAt } from '../faults/processes.ts'
import { drive } from '../faults/soak-client.ts'
import { until } from '../faults/wait.ts'

const usage = `bench:release [--against FOLDER] [--rounds 5] [--requests 4000] [--limit-percent 20] [--summary FILE]

  --against        a folder with the package, instead of the newest release, which is installed into a temporary one
  --rounds         turns of each router; figures are medians over them
  --requests       requests a turn, half of them streams, on 16 connections, after 1000 that do not count
  --limit-percent  how much more CPU a request may take
  --summary        appends the table to a file
`

const connections = 16
const warmUp = 1000

/** What one turn cost. */
interface Turn {
  /** CPU time of the router's process, in microseconds a request. */
  readonly cpu: number
  /** As the router measures it: from having read a request to having handed it on, in microseconds. */
  readonly overhead: number
  readonly perSecond: number
}

/** Value of a metric summed over its labels. */
function sample (page: string, name: string): number {
  return page.split('\n').filter(line => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

async function startRouter (server: string, workerUrl: string): Promise<{ child: ChildProcess, url: string, metrics: () => Promise<string> }> {
  const child = spawn(process.execPath, [server, '--port', '0', '--prometheus-port', '0', '--policy', 'round_robin', '--worker-urls', workerUrl], {
    env: { PATH: process.env['PATH'] }, stdio: ['ignore', 'pipe', 'inherit']
  })
  let log = ''
  child.stdout.on('data', (chunk: Buffer) => { log += chunk.toString() })
  const found = (pattern: RegExp): string | undefined => pattern.exec(log)?.[1]
  const url = await until('the router', () => {
    if (child.exitCode !== null) throw new Error(`the router ended:\n${log}`)
    return found(/metrics on (http\S+?)["\s]/) !== undefined && found(/listening on (http:\/\/[^\s"\\]+)/)
  })
  const metricsUrl = found(/metrics on (http\S+?)["\s]/) ?? ''
  await until('a ready worker', async () => (await fetch(`${url}/readiness`)).ok)
  return { child, url, metrics: async () => await (await fetch(metricsUrl)).text() }
}

async function turn (server: string, workerUrl: string, requests: number): Promise<Turn> {
  const { child, url, metrics } = await startRouter(server, workerUrl)
  try {
    const failed = await drive(url, warmUp, connections, 0, () => {})
    const before = await metrics()
    const began = performance.now()
    const failedToo = await drive(url, requests, connections, warmUp, () => {})
    const seconds = (performance.now() - began) / 1000
    const after = await metrics()
    if (failed + failedToo > 0) throw new Error(`${failed + failedToo} requests failed`)
    const grown = (name: string): number => sample(after, name) - sample(before, name)
    return {
      cpu: grown('process_cpu_seconds_total') * 1e6 / requests,
      overhead: grown('vllm_router_overhead_seconds_sum') * 1e6 / grown('vllm_router_overhead_seconds_count'),
      perSecond: requests / seconds
    }
  } finally {
    await end(child)
  }
}

/** Installs the newest release; undefined where there is none. */
function installRelease (folder: string): string | undefined {
  try {
    execFileSync('npm', ['install', '--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', 'fastify-vllm-router@latest'], { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
    if (/E404|ETARGET|ENOVERSIONS/.test(said)) return undefined
    throw new Error(`the newest release could not be installed:\n${said}`, { cause: error })
  }
  return join(folder, 'node_modules/fastify-vllm-router')
}

function median (values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}

async function main (): Promise<number> {
  const { values } = parseArgs({
    options: {
      against: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      requests: { type: 'string', default: '4000' },
      'limit-percent': { type: 'string', default: '20' },
      summary: { type: 'string' },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const folder = mkdtempSync(join(tmpdir(), 'vllm-router-release-'))
  const worker = await startPlainWorker()
  try {
    const release = values.against === undefined ? installRelease(folder) : resolve(values.against)
    const servers = new Map([['this', moduleAt('../../server.js')]])
    if (release === undefined) process.stdout.write('skipped: nothing is released yet to compare with\n')
    else servers.set('release', ['dist/server.js', 'server.js'].map(name => join(release, name)).find(path => existsSync(path)) ?? join(release, 'dist/server.js'))
    const turns = new Map([...servers.keys()].map(name => [name, [] as Turn[]]))
    for (let round = 0; round < Number(values.rounds); round++) {
      // who goes first changes, so that neither always has the warmer machine
      for (const [name, server] of round % 2 === 0 ? servers : [...servers].reverse()) turns.get(name)?.push(await turn(server, worker.url, Number(values.requests)))
    }
    const rows = [...turns].map(([name, some]) => {
      const of = (key: keyof Turn): string => {
        const all = some.map(one => one[key])
        return `${median(all).toFixed(0)} (${Math.min(...all).toFixed(0)}–${Math.max(...all).toFixed(0)})`
      }
      return `| ${name} | ${of('cpu')} | ${of('overhead')} | ${of('perSecond')} |`
    })
    const table = `| Router | CPU µs a request | Overhead µs a request | Requests a second |\n|---|---|---|---|\n${rows.join('\n')}\n`
    process.stdout.write(table)
    if (values.summary !== undefined) appendFileSync(values.summary, table)
    const [mine = [], theirs = []] = turns.values()
    if (theirs.length === 0) return 0
    const more = (median(mine.map(({ cpu }) => cpu)) / median(theirs.map(({ cpu }) => cpu)) - 1) * 100
    const limit = Number(values['limit-percent'])
    process.stdout.write(`${more.toFixed(1)} % more CPU a request than the release; the limit is ${limit} %\n`)
    return more > limit ? 1 : 0
  } finally {
    await worker.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

process.exitCode = await main()
