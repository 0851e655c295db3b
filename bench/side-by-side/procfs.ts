// What the system says of processes: the CPU they took and the memory they hold, children included.
import { readdirSync, readFileSync } from 'node:fs'

/** Ticks of `/proc` in a second; the same on every Linux that Node runs on. */
const ticksPerSecond = 100
const bytesPerKilobyte = 1024

/** A process and all below it. */
export interface Usage {
  /** User and system time of all, those that ended and were waited for included. */
  readonly cpuSeconds: number
  readonly rssBytes: number
  /** Largest resident sizes so far, added up. */
  readonly peakBytes: number
  readonly processes: number
}

function read (file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return undefined
  }
}

/** The fields of a `stat` file that come after the command, which may hold anything. */
function statFields (pid: string | number): string[] | undefined {
  const text = read(`/proc/${pid}/stat`)
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** The process and its descendants, itself first. */
export function treeOf (pid: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = statFields(name)?.[1]
    if (parent !== undefined) parents.set(Number(name), Number(parent))
  }
  const found = [pid]
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.push(child)
  return found
}

function statusBytes (status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * bytesPerKilobyte
}

/** What a process and all below it have used so far; nothing where there is no such process. */
export function usageOf (pid: number): Usage {
  let ticks = 0
  let rssBytes = 0
  let peakBytes = 0
  const pids = treeOf(pid)
  for (const one of pids) {
    // utime, stime, and both of children that were waited for
    ticks += statFields(one)?.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) ?? 0
    const status = read(`/proc/${one}/status`) ?? ''
    rssBytes += statusBytes(status, 'VmRSS')
    peakBytes += statusBytes(status, 'VmHWM')
  }
  return { cpuSeconds: ticks / ticksPerSecond, rssBytes, peakBytes, processes: pids.length }
}

/** CPU time of the whole machine so far, in seconds summed over its cores. */
export interface Machine {
  readonly busySeconds: number
  /** Part of the busy time that the hypervisor gave to others. */
  readonly stolenSeconds: number
  readonly totalSeconds: number
}

/** What the whole machine has done so far. */
export function machineUsage (): Machine {
  const fields = (read('/proc/stat')?.split('\n')[0] ?? '').trim().split(/\s+/).slice(1).map(Number)
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0, steal = 0] = fields
  const busy = user + nice + system + irq + softirq + steal
  return { busySeconds: busy / ticksPerSecond, stolenSeconds: steal / ticksPerSecond, totalSeconds: (busy + idle + wait) / ticksPerSecond }
}
