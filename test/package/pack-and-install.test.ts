// The package as a user gets it: packed, installed into an empty project, run as a command, imported, and seen by TypeScript.
import { existsSync, readFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import t from 'tap'
import { policyNames } from '../../policies/index.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'
import { blocks, asConsumer } from '../docs/blocks.ts'
import { sh, startServer } from './tools.ts'

t.setTimeout(180_000)
const project = t.testdir({ 'package.json': '{ "private": true, "type": "module" }' })
const bin = join(project, 'node_modules/.bin/vllm-router')

t.before(async () => {
  const said = await sh(process.cwd(), process.execPath, 'scripts/check-pack.mjs', project)
  const tarball = said.trim().split('\n').at(-1) ?? ''
  await sh(project, 'npm', 'install', tarball, '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund')
})

t.test('the commands', async t => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  t.equal(await sh(project, 'npx', '--no-install', 'vllm-router', '--version'), `fastify-vllm-router ${version}\n`)
  t.match(await sh(project, 'npx', '--no-install', 'fastify-vllm-router', '--help'), /--worker-urls/)
  t.notOk(existsSync(join(project, 'node_modules/tap')), 'no development dependencies')
})

t.test('it serves, streams, and ends on SIGTERM', async t => {
  const { child, url, told } = await startServer(t, project, bin, ['--simulated-workers', '1', '--port', '0', '--prometheus-port', '0'])
  await until('ready', async () => (await fetch(`${url}/readiness`)).ok)
  const answer = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'simulated', prompt: 'Hi', stream: true, max_tokens: 3 })
  })
  t.match(await answer.text(), /data: \[DONE\]\n\n$/)
  await until('the summary', () => told().includes('curl -N'))
  child.kill('SIGTERM')
  t.same(await once(child, 'exit'), [0, null])
})

t.test('consumers in TypeScript: the examples, against the published types', async t => {
  mkdirSync(join(project, 'src'))
  for (const name of ['embed-in-app', 'custom-policy', 'plugins-alone', 'simulated-fleet']) {
    writeFileSync(join(project, 'src', `${name}.ts`), asConsumer(readFileSync(`examples/${name}.ts`, 'utf8')))
  }
  writeFileSync(join(project, 'src/main.ts'), `
import vllmRouter, { version } from 'fastify-vllm-router'
import type { VllmRouterOptions } from 'fastify-vllm-router'
import { loadBalancer } from 'fastify-vllm-router/plugins/load-balancer'
import { policyNames } from 'fastify-vllm-router/policies'
import { startSimulator } from 'fastify-vllm-router/simulator'
import { build } from './embed-in-app.ts'
export const good: VllmRouterOptions = { policy: 'round_robin', workerUrls: [] }
// @ts-expect-error: no such policy
export const bad: VllmRouterOptions = { policy: 'nothing' }
const workers = await Promise.all([startSimulator(), startSimulator()])
const app = await build([workers[0]?.url ?? ''], [workers[1]?.url ?? ''])
await app.ready()
const probe = await app.inject('/chat/liveness')
process.stdout.write([typeof vllmRouter, version, typeof loadBalancer, policyNames.length, probe.body].join(' '))
await app.close()
await Promise.all(workers.map(worker => worker.close()))
`)
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({
    compilerOptions: {
      target: 'es2023',
      module: 'nodenext',
      strict: true,
      skipLibCheck: true,
      types: ['node'],
      typeRoots: [resolve('node_modules/@types')],
      rewriteRelativeImportExtensions: true,
      rootDir: 'src',
      outDir: 'out'
    },
    include: ['src']
  }))
  await sh(project, process.execPath, resolve('node_modules/typescript/bin/tsc'), '-p', '.')
    .catch((error: unknown) => t.fail('tsc', { said: typeof error === 'object' && error !== null && 'stdout' in error ? error.stdout : error }))
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  t.equal(await sh(project, process.execPath, 'out/main.js'), `function ${version} function ${policyNames.length} OK`)
  t.match(await sh(project, process.execPath, 'out/simulated-fleet.js'), /\[DONE\]/)
})

t.test('every JavaScript block of the documents runs', async t => {
  const workers = await startWorkers(t, 2)
  const { url } = await startRouter(t, { workerUrls: workers.map(worker => worker.url) })
  let count = 0
  for (const { page, info, text } of blocks()) {
    if (info !== 'js run') continue
    const file = `block-${++count}.mjs`
    const code = text.replaceAll('http://127.0.0.1:30000', url).replaceAll('port: 30000', 'port: 0')
      .replaceAll('http://a:8000', workers[0]?.url ?? '').replaceAll('http://b:8000', workers[1]?.url ?? '')
    writeFileSync(join(project, file), `${code}\nprocess.exit(0)\n`)
    await t.resolves(sh(project, process.execPath, file), `${page}: ${text.split('\n')[0] ?? ''}`)
  }
  t.ok(count > 0)
})
