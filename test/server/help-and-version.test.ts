// --help and --version print and end well.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { run } from './binary.ts'

// every test starts processes, which takes its time on a busy machine
t.setTimeout(120_000)

t.test('--help', async t => {
  const running = run(t, '--help')
  t.same(await running.ended, [0, null])
  t.match(running.stdout, /Usage: vllm-router \[options\]/)
  t.match(running.stdout, /--worker-urls/)
  t.equal(running.stderr, '')
})

t.test('--version', async t => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  const running = run(t, '--version')
  t.same(await running.ended, [0, null])
  t.equal(running.stdout, `fastify-vllm-router ${version}\n`)
})
