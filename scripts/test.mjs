// `npm test`: lint, type check, all tests; ends with one line that counts them.
// Arguments are handed to tap: `npm test -- build/test/core/registry.test.js`. `--tests-only` leaves out lint.
import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { testFiles } from './group-tests.mjs'

const args = process.argv.slice(2)
const testsOnly = args.includes('--tests-only')
const forTap = args.filter(arg => arg !== '--tests-only')

/** Runs a tool of node_modules with this very Node; resolves to its exit code. */
function run (tool, toolArgs, onLine) {
  const child = spawn(process.execPath, [tool, ...toolArgs], { stdio: ['ignore', onLine ? 'pipe' : 'inherit', 'inherit'] })
  if (onLine) createInterface({ input: child.stdout }).on('line', onLine)
  return new Promise((resolve, reject) => child.once('error', reject).once('close', code => resolve(code ?? 1)))
}

async function step (name, tool, ...toolArgs) {
  process.stdout.write(`${name}\n`)
  if (await run(tool, toolArgs) !== 0) {
    process.stdout.write(`\n${name} failed\n0 passed, 1 failed\n`)
    process.exit(1)
  }
}

if (!testsOnly) await step('lint', 'node_modules/eslint/bin/eslint.js', '.')
rmSync('build', { recursive: true, force: true })
await step('type check and build', 'node_modules/typescript/bin/tsc')
// tap bundles its plugins once; a fresh install has the default set, which .taprc takes the TypeScript loader out of
if (readFileSync('node_modules/@tapjs/test/test-built/dist/esm/index.js', 'utf8').includes('@tapjs/typescript')) {
  await step('tap plugins', 'node_modules/tap/dist/esm/run.mjs', 'build')
}

process.stdout.write('tests\n')
let passed = 0
let failed = 0
let skipped = 0
const code = await run('node_modules/tap/dist/esm/run.mjs', ['--reporter=tap', ...(forTap.length > 0 ? forTap : testFiles())], line => {
  // every file is one test at the top level; within it every assertion counts
  const assertion = /^\s+(not )?ok \d+ - (?!.*# time=)/.exec(line)
  if (/^ok \d+ - .*# SKIP/i.test(line) || (assertion && /# SKIP/i.test(line))) skipped++
  else if (assertion) assertion[1] ? failed++ : passed++
  if (/ # SKIP/i.test(line) || /^\s*# figure: /.test(line)) process.stdout.write(line.trim() + '\n')
  else if (/^(not ok|Bail out)/.test(line.trim()) || /^ok /.test(line) || process.env.VERBOSE) process.stdout.write(line + '\n')
  else if (failed > 0 && /^\s+(---|\.\.\.|[a-zA-Z]+:|[-+] )/.test(line)) process.stdout.write(line + '\n')
})
if (code !== 0 && failed === 0) failed = 1
process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
process.exit(code)
