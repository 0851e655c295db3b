// What was measured on, and with what: said beside every figure.
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { compilerVersion, root } from './native.ts'
import type { Target } from './targets.ts'

/** The circumstances of a run. */
export interface Circumstances {
  readonly date: string
  readonly cores: number
  readonly processor: string
  readonly memoryGb: number
  readonly kernel: string
  /** Of the last minute, before the run began. */
  readonly loadBefore: number
  readonly versions: Readonly<Record<string, string>>
}

function packageVersion (folder: string): string {
  try {
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
    return version
  } catch {
    return 'unknown'
  }
}

/** Looks at the machine and at what is installed. */
export async function circumstances (targets: readonly Target[], peers: string, server: string): Promise<Circumstances> {
  const modules = ['fastify', '@fastify/reply-from', 'undici']
  const versions: Record<string, string> = {
    router: packageVersion(root),
    node: process.versions.node,
    ...Object.fromEntries(modules.map(name => [name, packageVersion(join(root, 'node_modules', name))])),
    compiler: await compilerVersion() ?? 'none'
  }
  for (const target of targets) {
    const version = target.router ? target.version(peers, server) : undefined
    if (version !== undefined && !(target.name in versions)) versions[target.name] = version
  }
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC',
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGb: Math.round(totalmem() / 1e9),
    kernel: release(),
    loadBefore: loadavg()[0] ?? 0,
    versions
  }
}
