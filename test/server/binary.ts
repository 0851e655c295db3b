// Runs the compiled server as a process of its own, in an empty folder, and reads what it prints.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { environment, untapped } from '../helpers/environment.ts'
import { until } from '../helpers/until.ts'

/** The compiled `server.js` beside the compiled tests. */
export const server = fileURLToPath(new URL('../../server.js', import.meta.url))

/** A started process and its output so far. */
export interface Running {
  readonly child: ChildProcess
  readonly folder: string
  stdout: string
  stderr: string
  /** Resolves with exit code and signal once all output has been read. */
  readonly ended: Promise<[number | null, NodeJS.Signals | null]>
}

/** Starts a command that ends with the test at the latest. */
export function start (t: Test, command: string, args: readonly string[]): Running {
  const folder = t.testdir()
  const child = spawn(...untapped(command, args), { cwd: folder, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  const running: Running = { child, folder, stdout: '', stderr: '', ended: once(child, 'close') as Running['ended'] }
  child.stdout?.on('data', (chunk: Buffer) => { running.stdout += chunk.toString() })
  child.stderr?.on('data', (chunk: Buffer) => { running.stderr += chunk.toString() })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await running.ended
  })
  return running
}

/** Starts the server. */
export function run (t: Test, ...args: string[]): Running {
  return start(t, process.execPath, [server, ...args])
}

/** Starts the server on free ports and waits until it says where. */
export async function serve (t: Test, ...args: string[]): Promise<Running & { url: string }> {
  const running = run(t, '--port', '0', '--prometheus-port', '0', ...args)
  const url = await until('the address', () => /listening on (https?:\/\/[^\s"\\]+)/.exec(running.stdout)?.[1], 60_000)
  return Object.assign(running, { url })
}
