// Code in the documents works: curl lines answer, examples are shown as they are, metrics and links exist.
import { existsSync, readFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import vllmRouter from '../../router.ts'
import { startRouter, startWorkers } from '../helpers/router.ts'
import { asConsumer, blocks, pages } from './blocks.ts'

t.test('every curl line is answered well', { skip: !existsSync('/usr/bin/curl') && 'no curl here' }, async t => {
  const workers = await startWorkers(t, 3, { interTokenLatencyMs: 1 })
  const { url } = await startRouter(t, { workerUrls: workers.map(worker => worker.url), metricsPath: '/metrics' })
  let count = 0
  for (const { page, info, text } of blocks()) {
    if (info !== 'sh run') continue
    count++
    const script = 'set -e; curl () { command curl -sS --fail-with-body "$@"; }\n' + text
      .replaceAll('http://127.0.0.1:30000', url).replaceAll('http://127.0.0.1:29000', url).replaceAll('http://127.0.0.1:8000', workers[0]?.url ?? '')
    const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => { said += chunk.toString() })
    t.same(await once(child, 'close'), [0, null], `${page}: ${text}`)
    t.not(said, '')
  }
  t.ok(count > 0)
})

t.test('blocks made from an example are that example', async t => {
  let count = 0
  for (const page of pages) {
    for (const [, name = '', text = ''] of readFileSync(page, 'utf8').matchAll(/<!-- examples\/([\w-]+\.ts) -->\n\n```ts\n([^]*?)^```$/gm)) {
      count++
      t.equal(text, asConsumer(readFileSync(`examples/${name}`, 'utf8')), `${page}: ${name}`)
    }
  }
  t.ok(count > 0)
})

t.test('docs/metrics.md has one row for every metric, and none for others', async t => {
  let router: FastifyInstance | undefined
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(vllmRouter, { extend: scope => { router = scope } })
  await app.ready()
  const registered = (await router?.metricsRegistry.getMetricsAsJSON() ?? []).filter(metric => metric.name.startsWith('vllm_router_'))
  const rows = new Map([...readFileSync('docs/metrics.md', 'utf8').matchAll(/^\| `(vllm_router_\w+)` \| (\w+) \|/gm)].map(([, name, type]) => [name, type]))
  t.same(Object.fromEntries(rows), Object.fromEntries(registered.map(metric => [metric.name, String(metric.type)])))
})

t.test('links and pictures lead somewhere', async t => {
  for (const page of pages) {
    for (const [, target = ''] of readFileSync(page, 'utf8').matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)) {
      if (target === '' || /^(https?:|#)/.test(target)) continue
      t.ok(existsSync(join(dirname(page), target.split('#', 1)[0] ?? '')), `${page}: ${target}`)
    }
  }
})
