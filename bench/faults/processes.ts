// The processes of the suite: started here, ended here by their ids, also when something fails.
import { fork, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const running = new Set<ChildProcess>()

/** What processes of the suite see of the environment: nothing of tap, of npm, or of the router's own variables. */
const environment: NodeJS.ProcessEnv = Object.fromEntries(Object.entries(process.env).filter(([name]) =>
  !/^(npm_|NODE_OPTIONS$|TAP|_TAP|VLLM_ROUTER_)/i.test(name)))

/** A compiled module of the project; the path is relative to this folder. */
export function moduleAt (path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}

function known (child: ChildProcess): ChildProcess {
  running.add(child)
  child.once('close', () => running.delete(child))
  child.on('error', () => {})
  return child
}

/** Starts a module of the suite with a channel to it. */
export function forkModule (path: string, args: readonly string[] = []): ChildProcess {
  return known(fork(moduleAt(path), [...args], { env: environment, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
}

/** Starts the router's binary, with a channel to the lifeline in it. */
export function spawnServer (args: readonly string[], nodeArgs: readonly string[] = []): ChildProcess {
  const lifeline = new URL('./lifeline.js', import.meta.url).href
  return known(spawn(process.execPath, [...nodeArgs, '--import', lifeline, moduleAt('../../server.js'), ...args], {
    env: environment, stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  }))
}

/**
 * Starts any program.
 * @param output a file's descriptor for both kinds of output, or `pipe` to read what it prints
 */
export function spawnProgram (command: string, args: readonly string[], output: number | 'pipe', added: NodeJS.ProcessEnv = {}): ChildProcess {
  return known(spawn(command, [...args], { env: { ...environment, ...added }, stdio: ['pipe', output, output === 'pipe' ? 'inherit' : output] }))
}

/** Ends a process; resolves once it is gone. */
export async function end (child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<[number | null, NodeJS.Signals | null]> {
  if (child.exitCode !== null || child.signalCode !== null) return [child.exitCode, child.signalCode]
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  child.kill(signal)
  return await closed
}

/** Ends whatever is left. */
export async function endAll (): Promise<void> {
  await Promise.all([...running].map(child => end(child)))
}
