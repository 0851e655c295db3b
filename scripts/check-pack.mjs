// Packs the working tree as `npm publish` would and checks that the package holds what is needed and no more.
// `node scripts/check-pack.mjs [FOLDER]`: the tarball goes to FOLDER, else to a temporary one; its path is printed.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** Folders under dist/ that hold code of the package. */
const code = ['auth', 'core', 'core/http1', 'disaggregation', 'discovery', 'discovery/kubernetes', 'openai', 'options', 'plugins', 'policies', 'routes', 'server', 'server/processes', 'simulator', 'simulator/kv']
const allowed = new RegExp(`^(package\\.json|README\\.md|LICENSE|CHANGELOG\\.md|docs/[\\w/-]+\\.(md|svg)|dist/((${code.join('|')})/)?[\\w-]+\\.(js|d\\.ts))$`)
const needed = [
  'package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'docs/options.md',
  ...['server', 'router', 'plugins/forward', 'policies/index', 'simulator/index'].flatMap(name => [`dist/${name}.js`, `dist/${name}.d.ts`])
]

const target = process.argv[2] === undefined ? mkdtempSync(join(tmpdir(), 'vllm-router-pack-')) : resolve(process.argv[2])
const source = mkdtempSync(join(tmpdir(), 'vllm-router-source-'))
try {
  // a copy, so that neither a stale dist/ nor a build at the same time gets into the package
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  for (const file of listed.split('\0')) {
    if (file === '' || file === 'node_modules' || !existsSync(file)) continue
    mkdirSync(dirname(join(source, file)), { recursive: true })
    cpSync(file, join(source, file))
  }
  symlinkSync(resolve('node_modules'), join(source, 'node_modules'))
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], { cwd: source, stdio: 'inherit' })
  const [report] = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', target], { cwd: source, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
  const files = report.files.map(file => file.path)
  const superfluous = files.filter(file => !allowed.test(file))
  const missing = needed.filter(file => !files.includes(file))
  for (const file of superfluous) process.stderr.write(`must not be in the package: ${file}\n`)
  for (const file of missing) process.stderr.write(`is missing in the package: ${file}\n`)
  if (superfluous.length + missing.length > 0) process.exitCode = 1
  process.stdout.write(`${files.length} files, ${Math.round(report.size / 1024)} KiB packed\n${join(target, report.filename)}\n`)
} finally {
  rmSync(source, { recursive: true, force: true })
}
