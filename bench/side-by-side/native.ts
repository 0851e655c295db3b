// The two C programs: compiled when they are needed, and kept until their sources change.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The root of the repository; this file is compiled to `build/bench/side-by-side`. */
export const root = fileURLToPath(new URL('../../../', import.meta.url))

/** What git ignores: compiled programs, and the peers that `bench/setup` installs. */
export const cacheFolder = join(root, '.bench')

const sources = join(root, 'bench', 'native')

/** Where the compiled programs are. */
export interface Programs {
  readonly worker: string
  readonly load: string
}

/** Thrown where there is no C compiler. */
export class NoCompilerError extends Error {
  constructor (compiler: string) {
    super(`The worker and the load generator are small C programs, and there is no C compiler '${compiler}': install one (gcc or clang), or name it in CC`)
  }
}

/** The C compiler's name: `CC` of the environment, else `cc`. */
export function compilerName (): string {
  return process.env['CC'] ?? 'cc'
}

/** First line of what the compiler says of itself; undefined where there is none. */
export async function compilerVersion (): Promise<string | undefined> {
  try {
    return (await run(compilerName(), ['--version'])).stdout.split('\n')[0]
  } catch {
    return undefined
  }
}

/**
 * Compiles both programs, unless that was done before with the same sources and flags. Warnings are errors.
 * @param flags such as `-fsanitize=address,undefined`; default `-O2`
 * @param folder where the programs go; default `.bench/native`
 */
export async function compile (flags: readonly string[] = ['-O2'], folder = join(cacheFolder, 'native')): Promise<Programs> {
  const compiler = compilerName()
  const version = await compilerVersion()
  if (version === undefined) throw new NoCompilerError(compiler)
  const hash = createHash('sha256').update(JSON.stringify([version, flags]))
  for (const file of readdirSync(sources).sort()) hash.update(file).update(readFileSync(join(sources, file)))
  const version8 = hash.digest('hex').slice(0, 8)
  mkdirSync(folder, { recursive: true })
  const program = async (name: string): Promise<string> => {
    const target = join(folder, `${name}-${version8}`)
    if (existsSync(target)) return target
    // moved into place, so that a run beside this one sees all of it or nothing
    const unfinished = `${target}.${process.pid}`
    await run(compiler, ['-std=gnu11', '-Wall', '-Wextra', '-Werror', ...flags, '-o', unfinished, join(sources, `${name}.c`), '-lm'])
    renameSync(unfinished, target)
    return target
  }
  const [worker, load] = await Promise.all([program('worker'), program('load')])
  return { worker, load }
}
