// The tools that the chart is tested with: helm, and etcd and kube-apiserver where they are. `KUBEBUILDER_ASSETS` names their folder.
import { execFile, execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { environment } from '../helpers/environment.ts'

/** Path of a tool in the folder of tools or on the PATH; undefined where it is in neither. */
export function findTool (name: string): string | undefined {
  const folders = [process.env['KUBEBUILDER_ASSETS'] ?? '', ...(process.env['PATH'] ?? '').split(delimiter)]
  return folders.filter(folder => folder !== '').map(folder => join(folder, name)).find(path => existsSync(path))
}

/** What a run of helm said. */
export interface HelmRun {
  readonly ok: boolean
  readonly stdout: string
  readonly stderr: string
}

/** Runs helm, of which the tests use one version of Kubernetes whatever it was built for. */
export class Helm {
  private readonly path: string
  private readonly env: NodeJS.ProcessEnv

  /** @param home folder for what helm keeps */
  constructor (path: string, home: string) {
    this.path = path
    const kept = Object.fromEntries(['HELM_CACHE_HOME', 'HELM_CONFIG_HOME', 'HELM_DATA_HOME'].map(name => [name, join(home, name)]))
    this.env = { ...environment, NODE_OPTIONS: undefined, KUBECONFIG: undefined, ...kept }
  }

  async run (...args: readonly string[]): Promise<HelmRun> {
    try {
      const { stdout, stderr } = await promisify(execFile)(this.path, [...args], { env: this.env, maxBuffer: 2 ** 26, timeout: 120_000 })
      return { ok: true, stdout, stderr }
    } catch (error) {
      if (!(error instanceof Error) || !('stdout' in error) || !('stderr' in error)) throw error
      return { ok: false, stdout: String(error.stdout), stderr: String(error.stderr) }
    }
  }

  /** Renders a chart; rejects with what helm said. */
  async template (chart: string, ...args: readonly string[]): Promise<string> {
    const { ok, stdout, stderr } = await this.run('template', 'router', chart, '--namespace', 'llm', '--kube-version', '1.36.0', ...args)
    if (!ok) throw new Error(stderr)
    return stdout
  }

  version (): string {
    return execFileSync(this.path, ['version', '--short'], { env: this.env, encoding: 'utf8' }).trim()
  }
}
