// Runs commands for the tests of the package, outside the influence of tap and of the npm that runs the tests.
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { environment, untapped } from '../helpers/environment.ts'
import { until } from '../helpers/until.ts'

/** Runs a command to its end; rejects with what it said when it fails. */
export async function sh (cwd: string, command: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(...untapped(command, args), { cwd, env: environment, maxBuffer: 2 ** 26 })
  return stdout
}

/** Starts a server that ends with the test and waits for the address it prints. */
export async function startServer (t: Test, cwd: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ child: ChildProcess, url: string, told: () => string }> {
  const child = spawn(...untapped(command, args), { cwd, env: { ...environment, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => { child.kill('SIGKILL') })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString() })
  const url = await until('the address', () => /listening on (http:\/\/[^\s"\\]+)/.exec(text)?.[1], 20_000)
  return { child, url, told: () => text }
}
