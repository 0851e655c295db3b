// The fault suite in its short form: one bad worker, all workers down, rolling restarts, slow clients, disconnects, a soak; every bar is met.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Result } from '../../bench/faults/figures.ts'
import { start } from '../server/binary.ts'

const suite = fileURLToPath(new URL('../../bench/faults/main.js', import.meta.url))

t.setTimeout(120_000)
t.test('the short form', { timeout: 120_000 }, async t => {
  const running = start(t, process.execPath, [suite, '--short', '--json', join(t.testdir(), 'results.json')])
  const [code] = await running.ended
  t.equal(running.stderr, '')
  const results = JSON.parse(readFileSync(join(running.folder, 'results.json'), 'utf8')) as Result[]
  t.ok(results.length >= 10, 'scenarios ran')
  for (const { scenario, policy, bars, figures } of results) {
    for (const { name, ok, measured, wanted } of bars) t.ok(ok, `${scenario}, ${policy}: ${name} ${measured}, wanted ${wanted}`, { figures })
  }
  t.equal(code, 0)
})
