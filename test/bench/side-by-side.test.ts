// The benchmark as a whole: a short run from its command line to its tables, and what it makes of figures.
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { judge } from '../../bench/side-by-side/bars.ts'
import type { Bar } from '../../bench/side-by-side/bars.ts'
import { spreadOf } from '../../bench/side-by-side/figures.ts'
import { garbageIn } from '../../bench/side-by-side/garbage.ts'
import { machineUsage, treeOf, usageOf } from '../../bench/side-by-side/procfs.ts'
import type { Results } from '../../bench/side-by-side/report.ts'
import type { Sample } from '../../bench/side-by-side/sample.ts'
import { start } from '../server/binary.ts'
import { untapped } from '../helpers/environment.ts'
import { until } from '../helpers/until.ts'
import { programs } from './programs.ts'

const found = await programs(t)
const skip = typeof found === 'string' ? found : false
const main = fileURLToPath(new URL('../../bench/side-by-side/main.js', import.meta.url))
const server = fileURLToPath(new URL('../../server.js', import.meta.url))

t.setTimeout(120_000)
t.test('a short run', { skip, timeout: 120_000 }, async t => {
  const folder = t.testdirName
  const page = join(folder, 'page.md')
  const running = start(t, process.execPath, [main, '--scenario', 'json-c16', '--targets', 'direct,router', 'vllm-router', '--peers', folder,
    '--server', server, '--rounds', '2', '--seconds', '0.4', '--warmup', '0.2', '--json', join(folder, 'results.json'), '--write', page])
  writeFileSync(page, 'before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n')
  const [code] = await running.ended
  t.equal(running.stderr, '')
  t.equal(code, 0, running.stdout)
  const { samples, missing } = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as Results
  t.match(missing, { 'vllm-router': /not installed/ })
  t.strictSame(samples.map(({ target, round }) => `${round} ${target}`), ['1 direct', '1 router', '2 router', '2 direct'], 'every second round the other way')
  for (const { target, load, cpuSeconds, startMs, rssIdle, rssPeak, error } of samples) {
    t.equal(error, undefined)
    t.ok(load !== undefined && load.requests > 0 && load.failed === 0, `${target}: ${load?.requests} requests, ${load?.failed} failed`)
    if (target !== 'router') continue
    t.ok(startMs !== undefined && startMs > 50)
    t.ok(rssIdle !== undefined && rssPeak !== undefined && rssIdle > 20e6 && rssPeak >= rssIdle)
    t.ok(cpuSeconds !== undefined && cpuSeconds > 0, `${cpuSeconds} s of CPU in the router`)
  }
  t.match(running.stdout, /json-c16: 300 B in, 300 B out, concurrency 16 \(2 rounds; others took/)
  t.match(running.stdout, /without vllm-router: not installed/)
  const written = readFileSync(page, 'utf8')
  t.match(written, /^before\n<!-- figures: begin -->\n\nMade by `npm run bench -- --scenario/)
  t.match(written, '| router (cache_aware) |')
  t.match(written, /<!-- figures: end -->\nafter\n$/)
  t.notMatch(written, 'old\n')
})

t.test('what it does not know', async t => {
  const running = start(t, process.execPath, [main, '--scenario', 'nothing', '--list'])
  const [code] = await running.ended
  t.equal(code, 2)
  t.match(running.stderr, /^unknown: nothing\n/)
})

/** A sample with so many requests a second. */
function sample (target: string, round: number, requests: number, cpuSeconds: number): Sample {
  const load = { seconds: 1, cpuSeconds: 0, requests, events: 0, bytes: 0, failed: 0, errors: {}, firstError: '', latency: null, first: null, gap: null, delay: null }
  return { scenario: 'json-c16', target, policy: '', round, load, cpuSeconds, seconds: 1 }
}

t.test('a bar is judged by the median of its rounds, each a ratio of its own', async t => {
  const bar: Bar = { kind: 'peer', peer: 'peer', scenario: 'json-c16', figure: 'cpuPerRequest', atMost: 0.8 }
  const samples = [
    sample('router', 1, 1000, 0.1), sample('peer', 1, 1000, 0.2),
    // a machine twice as slow in this round makes no difference
    sample('router', 2, 500, 0.1), sample('peer', 2, 500, 0.2),
    sample('router', 3, 1000, 0.3), sample('peer', 3, 1000, 0.2)
  ]
  t.match(judge(bar, samples), { met: true, measured: { median: 0.5, least: 0.5, count: 3 } })
  t.match(judge({ ...bar, atMost: 0.4 }, samples), { met: false })
  t.match(judge(bar, samples.filter(({ target }) => target === 'router')), { met: undefined, why: 'without peer' })
  t.match(judge({ kind: 'peer', peer: 'peer', scenario: 'json-c16', figure: 'requestsPerSecond', atLeast: 1 }, samples), { met: true })
  t.equal(spreadOf([]), undefined)
  t.strictSame(spreadOf([3, 1, 2, 10]), { median: 2.5, least: 1, most: 10, count: 4 })
})

t.test('CPU and memory of a process and its children', { skip: process.platform === 'linux' ? false : 'reads /proc' }, async t => {
  const before = usageOf(process.pid)
  const machine = machineUsage()
  const [command, args] = untapped('sh', ['-c', 'while :; do :; done & wait'])
  const child = spawn(command, args, { stdio: 'ignore' })
  const { pid = 0 } = child
  try {
    const burnt = await until('a child that works', () => {
      const usage = usageOf(pid)
      return usage.cpuSeconds >= 0.05 && usage.processes >= 2 ? usage : undefined
    }, 20_000)
    t.ok(burnt.rssBytes > 100_000 && burnt.peakBytes >= burnt.rssBytes)
    const after = usageOf(process.pid)
    t.ok(after.cpuSeconds - before.cpuSeconds >= 0.05, 'a child counts')
    const now = machineUsage()
    t.ok(now.busySeconds - machine.busySeconds >= 0.05 && now.totalSeconds > machine.totalSeconds)
  } finally {
    for (const one of treeOf(pid)) process.kill(one, 'SIGKILL')
  }
})

t.test('what the garbage collector says', async t => {
  const line = (at: number, kind: string, before: number, after: number): string =>
    `[1:0x1]  ${at} ms: ${kind} ${before}.0 (90.0) -> ${after}.0 (90.0) MB, 2.5 / 0.1 ms  (average mu = 0.9) task;\n`
  const steady = line(1, 'Scavenge', 20, 10) + 'something else\n' + line(2, 'Scavenge', 20, 10) + line(3, 'Scavenge', 20, 10)
  t.match(garbageIn(steady), { minor: 3, major: 0, pausedMs: 7.5, allocatedBytes: 20 * 2 ** 20, keptShare: 0 })
  const growing = line(1, 'Scavenge', 20, 10) + line(2, 'Scavenge', 20, 14) + line(3, 'Scavenge', 24, 18) + line(4, 'Mark-Compact (reduce)', 18, 10)
  t.match(garbageIn(growing), { minor: 3, major: 1, keptShare: 0.4 })
  t.equal(garbageIn('nothing'), undefined)
})
