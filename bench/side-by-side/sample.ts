// Measures one target in one scenario, once: started anew, warmed up, watched.
import type { ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { end, spawnProgram } from '../faults/processes.ts'
import { pause, until } from '../faults/wait.ts'
import { ask, freePorts } from './ask.ts'
import { garbageIn } from './garbage.ts'
import type { Garbage } from './garbage.ts'
import { runLoad } from './harness.ts'
import type { FakeWorkers, LoadResult, WorkerStats } from './harness.ts'
import type { Programs } from './native.ts'
import { machineUsage, treeOf, usageOf } from './procfs.ts'
import type { Scenario } from './scenarios.ts'
import type { Fleet, Target } from './targets.ts'

/** What all samples of a run have in common. */
export interface Setting {
  readonly programs: Programs
  readonly seconds: number
  readonly warmup: number
  readonly server: string
  readonly peers: string
  /** A folder for corpora and logs. */
  readonly folder: string
  /** Flags for targets that run on Node. */
  readonly nodeFlags: readonly string[]
  /** Where Node's CPU profiles go; undefined: none is taken. */
  readonly profiles: string | undefined
  /** Another number for each load, so that no prompt of one comes again in another. */
  nextSeed (): number
}

/** What was seen of one target in one scenario, once. Absent where it does not apply. */
export interface Sample {
  readonly scenario: string
  readonly target: string
  readonly policy: string
  readonly round: number
  /** What went wrong, when there are no figures. */
  readonly error?: string
  readonly load?: LoadResult
  /** The rate that was asked for, in requests a second. */
  readonly rate?: number
  /** From the start of the process to its first answer, in milliseconds. */
  readonly startMs?: number
  /** CPU the target took until then, in seconds. */
  readonly startCpuSeconds?: number
  /** The measured window, in seconds. */
  readonly seconds?: number
  /** The target's CPU in the window, children included. */
  readonly cpuSeconds?: number
  readonly workerCpuSeconds?: number
  readonly loadCpuSeconds?: number
  /** Share of the machine that was taken by others than target, worker, load and harness. */
  readonly othersShare?: number
  /** Part of it that the hypervisor gave to others. */
  readonly stolenShare?: number
  /** Resident memory before the load, at its largest, and after. */
  readonly rssIdle?: number
  readonly rssPeak?: number
  readonly rssAfter?: number
  /** Requests the workers had in the window, tokenizing and the like included. */
  readonly workerCalls?: number
  /** Where a profile was taken. */
  readonly garbage?: Garbage
}

const firstRequest = JSON.stringify({ model: 'bench', stream: false, messages: [{ role: 'user', content: 'first' }] })

interface Started {
  readonly child: ChildProcess | undefined
  readonly port: number
  /** File of what it prints. */
  readonly log?: string
  readonly startMs?: number
  readonly startCpuSeconds?: number
}

/** The last lines a target printed, for people. */
function lastWords (log: string): string {
  return readFileSync(log, 'utf8').trim().split('\n').slice(-4).join('\n').slice(-600)
}

async function startTarget (setting: Setting, scenario: Scenario, target: Target, policy: string, workers: FakeWorkers): Promise<Started> {
  const [port = 0, metricsPort = 0] = await freePorts(2)
  const { prefills = 0 } = scenario
  const fleet: Fleet = prefills === 0
    ? { regular: workers.urls, prefill: [], decode: [] }
    : { regular: [], prefill: workers.urls.slice(0, prefills), decode: workers.urls.slice(prefills) }
  const nodeFlags = [...setting.nodeFlags, ...setting.profiles === undefined ? [] : ['--trace-gc', '--import', new URL('./profiler.js', import.meta.url).href]]
  const how = target.command({ port, metricsPort, fleet, policy, server: setting.server, peers: setting.peers, nodeFlags })
  if (how === undefined) return { child: undefined, port: Number(new URL(workers.urls[0] ?? '').port) }
  const log = join(setting.folder, `${target.name}.log`)
  const output = openSync(log, 'w')
  const began = performance.now()
  const child = spawnProgram(how.command, how.args, output, setting.profiles === undefined ? {} : { BENCH_PROFILE: profileFile(setting.profiles, scenario, target) })
  closeSync(output)
  try {
    const url = `http://127.0.0.1:${port}`
    await until('the first answer', async () => {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${target.name} ended`)
      return (await ask(`${url}/v1/chat/completions`, firstRequest))?.status === 200
    }, 60_000, 5)
    const startMs = performance.now() - began
    const startCpuSeconds = usageOf(child.pid ?? 0).cpuSeconds
    const { ready } = target
    if (ready !== undefined) await until('all workers', async () => await ready(url, fleet), 60_000, 20)
    return { child, port, log, startMs, startCpuSeconds }
  } catch (error) {
    await stopTarget(child)
    throw new Error(`${error instanceof Error ? error.message : String(error)}; it said last:\n${lastWords(log)}`)
  }
}

/** Ends a target and whatever it started. */
async function stopTarget (child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return
  const pids = treeOf(child.pid)
  await end(child)
  for (const pid of pids.slice(1)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // it ended with its parent
    }
  }
}

/** Where the profile of a target goes. */
export function profileFile (folder: string, scenario: Scenario, target: Target): string {
  return join(folder, `${scenario.name}-${target.name}.cpuprofile`)
}

function calls (before: WorkerStats, after: WorkerStats): number {
  const sum = ({ answers, streams, tokenized, prefills, others }: WorkerStats): number => answers + streams + tokenized + prefills + others
  return sum(after) - sum(before)
}

/** The figures of everybody at one moment. */
function look (targetPid: number | undefined, workerPid: number | undefined): { target: number, worker: number, own: number, machine: ReturnType<typeof machineUsage> } {
  const { user, system } = process.cpuUsage()
  return {
    target: targetPid === undefined ? 0 : usageOf(targetPid).cpuSeconds,
    worker: workerPid === undefined ? 0 : usageOf(workerPid).cpuSeconds,
    own: (user + system) / 1e6,
    machine: machineUsage()
  }
}

/**
 * One sample. A target that does not start or does not hold out gives a sample with an error.
 * @param corpus file of requests, where the scenario has a load
 * @param rate requests a second, where the scenario asks for a certain one
 */
export async function takeSample (setting: Setting, scenario: Scenario, target: Target, round: number, workers: FakeWorkers, corpus: string | undefined, rate: number | undefined): Promise<Sample> {
  const policy = target.router && scenario.policy === 'cache_aware' ? 'cache_aware' : target.usualPolicy
  const named = { scenario: scenario.name, target: target.name, policy, round }
  let started: Started | undefined
  try {
    started = await startTarget(setting, scenario, target, policy, workers)
    const { child, port, log = '', startMs, startCpuSeconds } = started
    await pause((scenario.settleSeconds ?? 0.3) * 1000)
    const pid = child?.pid
    const profile = setting.profiles !== undefined && child !== undefined && target.node === true ? profileFile(setting.profiles, scenario, target) : undefined
    if (profile !== undefined) rmSync(profile, { force: true })
    const rssIdle = pid === undefined ? undefined : usageOf(pid).rssBytes
    let before = look(pid, workers.child.pid)
    let statsBefore: Promise<WorkerStats> | undefined
    let load: LoadResult | undefined
    let printed = 0
    const began = performance.now()
    if (scenario.load === undefined) {
      if (scenario.name !== 'start') await pause(setting.seconds * 1000)
    } else {
      load = await runLoad(setting.programs, {
        port,
        corpus: corpus ?? '',
        connections: scenario.load.connections,
        seconds: setting.seconds,
        warmup: setting.warmup,
        requests: scenario.load.requests,
        rate,
        events: scenario.load.stream === true ? scenario.events?.count : undefined,
        timeout: 20,
        seed: setting.nextSeed()
      }, () => {
        before = look(pid, workers.child.pid)
        statsBefore = workers.stats()
        if (profile === undefined) return
        child?.kill('SIGUSR2')
        printed = statSync(log).size
      })
    }
    const after = look(pid, workers.child.pid)
    let garbage: Garbage | undefined
    if (profile !== undefined && load !== undefined) {
      garbage = garbageIn(readFileSync(log, 'latin1').slice(printed))
      child?.kill('SIGUSR2')
      await until('the profile', () => existsSync(profile), 30_000, 50)
    }
    const statsAfter = load === undefined ? undefined : await workers.stats()
    await pause((scenario.restSeconds ?? 0) * 1000)
    const last = pid === undefined ? undefined : usageOf(pid)
    const seconds = load?.seconds ?? (performance.now() - began) / 1000
    const total = after.machine.totalSeconds - before.machine.totalSeconds
    const known = after.target - before.target + after.worker - before.worker + after.own - before.own + (load?.cpuSeconds ?? 0)
    const cpuSeconds = after.target - before.target
    const statsFirst = await statsBefore
    return {
      ...named,
      ...(load === undefined ? {} : { load, loadCpuSeconds: load.cpuSeconds }),
      ...(rate === undefined ? {} : { rate }),
      ...(startMs === undefined ? {} : { startMs }),
      ...(startCpuSeconds === undefined ? {} : { startCpuSeconds }),
      seconds,
      ...(pid === undefined ? {} : { cpuSeconds }),
      workerCpuSeconds: after.worker - before.worker,
      ...(total <= 0
        ? {}
        : {
            othersShare: Math.max(0, (after.machine.busySeconds - before.machine.busySeconds - known) / total),
            stolenShare: (after.machine.stolenSeconds - before.machine.stolenSeconds) / total
          }),
      ...(rssIdle === undefined || last === undefined ? {} : { rssIdle, rssPeak: last.peakBytes, rssAfter: last.rssBytes }),
      ...(statsFirst === undefined || statsAfter === undefined ? {} : { workerCalls: calls(statsFirst, statsAfter) }),
      ...(garbage === undefined ? {} : { garbage })
    }
  } catch (error) {
    return { ...named, error: error instanceof Error ? error.message : String(error) }
  } finally {
    if (started?.child !== undefined) await stopTarget(started.child)
  }
}
