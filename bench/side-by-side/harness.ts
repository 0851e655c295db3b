// Starts the worker and the load generator, and reads what they say.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { end, spawnProgram } from '../faults/processes.ts'
import { ask } from './ask.ts'
import type { Programs } from './native.ts'

/** How many of a kind there were and how long they took, in microseconds. */
export interface Times {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** What the load generator found. */
export interface LoadResult {
  /** Length of the measured window. */
  readonly seconds: number
  /** The generator's own CPU in it. */
  readonly cpuSeconds: number
  /** Requests that were answered in full, as they should. */
  readonly requests: number
  /** Events of streams, `[DONE]` included. */
  readonly events: number
  readonly bytes: number
  /** Requests that were not. */
  readonly failed: number
  /** Why they were not, with their numbers. */
  readonly errors: Readonly<Record<string, number>>
  /** The first of them, for people. */
  readonly firstError: string
  /** From the moment a request was sent, or was due, to the end of its answer. */
  readonly latency: Times | null
  /** From that moment to the first event of a stream. */
  readonly first: Times | null
  /** Between two events of a stream. */
  readonly gap: Times | null
  /** From the moment the worker wrote an event to the moment the client had it. */
  readonly delay: Times | null
}

/** Requests a worker has had, by what they asked for. */
export interface WorkerStats {
  readonly answers: number
  readonly streams: number
  readonly events: number
  readonly tokenized: number
  /** Prompts computed for another worker, and requests that took such a prompt; the latter count as answers or streams, too. */
  readonly prefills: number
  readonly decodes: number
  readonly others: number
  readonly bad: number
  readonly open: number
}

/** The fake worker, which is as many workers as it has ports. */
export interface FakeWorkers {
  readonly child: ChildProcess
  readonly urls: readonly string[]
  stats (): Promise<WorkerStats>
  /** Ends it; resolves with its exit code. */
  close (): Promise<number | null>
}

async function * lines (child: ChildProcess): AsyncGenerator<string> {
  if (child.stdout !== null) yield * createInterface({ input: child.stdout })
}

/** Starts the fake worker. */
export async function startWorkers (programs: Programs, options: { count?: number, events?: number, paceMs?: number, answerBytes?: number } = {}): Promise<FakeWorkers> {
  const { count = 1, events = 200, paceMs = 0, answerBytes = 300 } = options
  const child = spawnProgram(programs.worker, ['--ports', count, '--events', events, '--pace-ms', paceMs, '--answer-bytes', answerBytes].map(String), 'pipe')
  const first = await lines(child).next()
  if (first.done === true) throw new Error('the fake worker did not start')
  const { ports } = JSON.parse(first.value) as { ports: number[] }
  const urls = ports.map(port => `http://127.0.0.1:${port}`)
  return {
    child,
    urls,
    async stats () {
      const answer = await ask(`${urls[0]}/stats`)
      if (answer === undefined) throw new Error('the fake worker does not answer')
      return JSON.parse(answer.text) as WorkerStats
    },
    async close () {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      const closed = once(child, 'close') as Promise<[number | null]>
      const late = setTimeout(() => { void end(child) }, 2000)
      // it ends with its standard input
      child.stdin?.end()
      const [code] = await closed
      clearTimeout(late)
      return code
    }
  }
}

/** What the load generator is to do. */
export interface LoadOptions {
  readonly port: number
  /** File of requests. */
  readonly corpus: string
  readonly connections: number
  readonly seconds: number
  readonly warmup?: number
  /** Instead of `seconds`. */
  readonly requests?: number | undefined
  /** Requests a second; as fast as answers come when it is left out. */
  readonly rate?: number | undefined
  /** Events each stream must have, `[DONE]` not counted. */
  readonly events?: number | undefined
  readonly path?: string
  readonly timeout?: number
  readonly seed?: number
}

/** Runs the load generator to its end; `began` is called when the measured window begins. */
export async function runLoad (programs: Programs, options: LoadOptions, began: (pid: number) => void = () => {}): Promise<LoadResult> {
  const args = Object.entries(options).flatMap(([name, value]) => value === undefined ? [] : [`--${name}`, String(value)])
  const child = spawnProgram(programs.load, args, 'pipe')
  const closed = once(child, 'close') as Promise<[number | null]>
  let result: LoadResult | undefined
  for await (const line of lines(child)) {
    const told = JSON.parse(line) as { phase: string } & LoadResult
    if (told.phase === 'begin') began(child.pid ?? 0)
    else result = told
  }
  const [code] = await closed
  if (result === undefined) throw new Error(`the load generator ended with ${code} and said nothing`)
  return result
}
