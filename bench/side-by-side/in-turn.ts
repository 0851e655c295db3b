// Compares builds and peers on a machine that others use, too: all of them run at the same time, warm, and are loaded in turn for a second each; the least CPU of many windows counts.
// in-turn.js --scenario NAME [--rounds N] [--seconds S] [--peers DIR] TARGET...   (a TARGET is a compiled server.js of this router, or the name of a peer)
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { endAll, spawnProgram } from '../faults/processes.ts'
import { until } from '../faults/wait.ts'
import { ask, freePorts } from './ask.ts'
import { corpusText } from './corpus.ts'
import { runLoad, startWorkers } from './harness.ts'
import { cacheFolder, compile } from './native.ts'
import { usageOf } from './procfs.ts'
import { scenarios } from './scenarios.ts'
import { oursName, targets } from './targets.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    scenario: { type: 'string', default: 'json-c16' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    peers: { type: 'string', default: join(cacheFolder, 'peers') }
  }
})

interface Running {
  readonly name: string
  readonly port: number
  readonly pid: number
  /** CPU µs for each request, or for each event of a stream, one a window. */
  readonly cpu: number[]
}

const scenario = scenarios.find(({ name }) => name === values.scenario)
const load = scenario?.load
if (scenario === undefined || load === undefined) throw new Error(`${values.scenario} is no scenario with a load`)
const { stream = false, connections } = load
const { count: events = 200, paceMs = 0 } = scenario.events ?? {}
const programs = await compile()
const folder = mkdtempSync(join(tmpdir(), 'in-turn-'))
const corpus = join(folder, 'corpus.jsonl')
writeFileSync(corpus, corpusText(load.corpus, stream))
const workers = await startWorkers(programs, { count: scenario.workers, events, paceMs })
const fleet = { regular: workers.urls, prefill: [], decode: [] }

async function start (given: string): Promise<Running> {
  const known = targets.find(({ name }) => name === given)
  const target = known ?? targets.find(({ name }) => name === oursName)
  const [port = 0, metricsPort = 0] = await freePorts(2)
  const policy = scenario?.policy === 'cache_aware' ? 'cache_aware' : target?.usualPolicy ?? ''
  const how = target?.command({ port, metricsPort, fleet, policy, server: resolve(known === undefined ? given : 'dist/server.js'), peers: resolve(values.peers), nodeFlags: [] })
  if (how === undefined) throw new Error(`${given} cannot be started`)
  const child = spawnProgram(how.command, how.args, 'pipe')
  child.stdout?.resume()
  child.stderr?.resume()
  const question = JSON.stringify({ model: 'bench', stream: false, messages: [{ role: 'user', content: 'first' }] })
  await until(`the first answer of ${given}`, async () => (await ask(`http://127.0.0.1:${port}/v1/chat/completions`, question))?.status === 200, 120_000, 50)
  return { name: given, port, pid: child.pid ?? 0, cpu: [] }
}

async function window ({ port, pid, cpu }: Running, seconds: number): Promise<void> {
  let before = 0
  const result = await runLoad(programs, { port, corpus, connections, seconds, warmup: 0.3, ...(stream ? { events } : {}) }, () => { before = usageOf(pid).cpuSeconds })
  const done = stream ? result.events : result.requests
  if (done > 0) cpu.push((usageOf(pid).cpuSeconds - before) / done * 1e6)
}

try {
  const running: Running[] = []
  for (const given of positionals) running.push(await start(given))
  for (const one of running) await window(one, 3)
  for (const one of running) one.cpu.length = 0
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const one of round % 2 === 0 ? running : running.toReversed()) await window(one, Number(values.seconds))
  }
  process.stdout.write(`${scenario.name}: CPU µs a ${stream ? 'chunk' : 'request'}, least and median of ${values.rounds} windows\n`)
  for (const { name, cpu } of running) {
    const sorted = cpu.toSorted((a, b) => a - b)
    process.stdout.write(`  ${name.padEnd(30)} ${(sorted[0] ?? NaN).toFixed(1).padStart(8)} ${(sorted[sorted.length >> 1] ?? NaN).toFixed(1).padStart(8)}\n`)
  }
} finally {
  await endAll()
  rmSync(folder, { recursive: true, force: true })
}
