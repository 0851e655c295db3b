// The Dockerfile without Docker: its instructions are checked, and its steps run in a folder each.
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'
import { until } from '../helpers/until.ts'
import { sh, startServer } from './tools.ts'

t.setTimeout(180_000)

interface Instruction { readonly name: string, readonly text: string }

const instructions: Instruction[] = readFileSync('Dockerfile', 'utf8').replaceAll(/^#.*\n/gm, '').replaceAll(/\\\n\s*/g, ' ').split('\n')
  .filter(line => line.trim() !== '').map(line => ({ name: line.split(' ', 1)[0] ?? '', text: line.slice(line.indexOf(' ') + 1) }))
const stages: Instruction[][] = []
for (const one of instructions) {
  if (one.name === 'FROM') stages.push([])
  stages.at(-1)?.push(one)
}
const [build = [], dependencies = [], final = []] = stages
const textOf = (stage: readonly Instruction[], name: string): string[] => stage.filter(one => one.name === name).map(one => one.text)

t.test('instructions', async t => {
  t.equal(stages.length, 3)
  t.same(textOf(build, 'RUN'), ['npm ci', 'npm run build'])
  t.same(textOf(dependencies, 'RUN'), ['npm ci --omit=dev && npm cache clean --force'])
  t.same(textOf(final, 'USER'), ['1000:1000'], 'not root, and by number')
  t.same(textOf(final, 'RUN'), [], 'nothing runs on the platform of the image: it need not be emulated')
  for (const stage of [build, dependencies]) t.match(textOf(stage, 'FROM')[0], /^--platform=\$BUILDPLATFORM /)
  const labels = textOf(final, 'LABEL').join(' ')
  for (const name of ['title', 'description', 'licenses', 'source', 'documentation', 'version', 'revision']) t.match(labels, `org.opencontainers.image.${name}=`)
  t.same(textOf(final, 'ENTRYPOINT').map(text => JSON.parse(text) as unknown), [['node', 'dist/server.js']], 'exec form: SIGTERM arrives')
  t.match(textOf(final, 'HEALTHCHECK')[0], /CMD \["node", "-e", /)
  const ignored = readFileSync('.dockerignore', 'utf8').split('\n')
  for (const text of stages.flatMap(stage => textOf(stage, 'COPY'))) {
    if (text.startsWith('--from=')) continue
    for (const source of text.split(' ').slice(0, -1)) {
      t.ok(existsSync(source), source)
      t.notOk(ignored.includes(source), `${source} is not ignored`)
    }
  }
})

t.test('steps', async t => {
  const root = t.testdir({ src: {}, app: {} })
  const src = join(root, 'src')
  const app = join(root, 'app')
  const ignored = readFileSync('.dockerignore', 'utf8').split('\n').filter(line => line !== '')
  for (const file of execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' }).split('\0')) {
    if (file === '' || !existsSync(file) || ignored.includes(file.split('/', 1)[0] ?? '')) continue
    mkdirSync(dirname(join(src, file)), { recursive: true })
    cpSync(file, join(src, file))
  }
  // the first stage's `npm ci` is the one this checkout was installed by
  symlinkSync(resolve('node_modules'), join(src, 'node_modules'))
  for (const name of ['package.json', 'package-lock.json', '.npmrc', 'LICENSE', 'README.md']) cpSync(name, join(app, name))
  await Promise.all([sh(src, 'npm', 'run', 'build'), sh(app, 'npm', 'ci', '--omit=dev', '--prefer-offline')])
  cpSync(join(src, 'dist'), join(app, 'dist'), { recursive: true })
  t.notOk(existsSync(join(app, 'node_modules/tap')), 'production dependencies only')
  t.match(await sh(app, process.execPath, 'dist/server.js', '--version'), /^fastify-vllm-router \d/)

  const env = Object.fromEntries(textOf(final, 'ENV').join(' ').split(' ').map(pair => pair.split('=')))
  t.same(env, { NODE_ENV: 'production', VLLM_ROUTER_HOST: '0.0.0.0', VLLM_ROUTER_PROMETHEUS_HOST: '0.0.0.0' })
  const { child, url } = await startServer(t, app, process.execPath, ['dist/server.js', '--simulated-workers', '1'], { ...env, VLLM_ROUTER_PORT: '0', VLLM_ROUTER_PROMETHEUS_PORT: '0' })
  const port = new URL(url).port
  await until('ready', async () => (await fetch(`http://127.0.0.1:${port}/readiness`)).ok)
  const [, script = ''] = /CMD (\[.*\])$/.exec(textOf(final, 'HEALTHCHECK')[0] ?? '') ?? []
  const [, ...check] = JSON.parse(script) as string[]
  const healthy = join(root, 'check.sh')
  writeFileSync(healthy, `VLLM_ROUTER_PORT=${port} exec "$@"`)
  await t.resolves(sh(app, 'bash', healthy, process.execPath, ...check), 'HEALTHCHECK of a running router')
  child.kill('SIGTERM')
  t.same(await once(child, 'exit'), [0, null])
  await t.rejects(sh(app, 'bash', healthy, process.execPath, ...check), 'HEALTHCHECK of none')
})
