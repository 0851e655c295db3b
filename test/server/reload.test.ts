// A changed config file, or SIGHUP, changes the running router: nothing in flight is harmed, and a mistake leaves everything as it was.
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import t from 'tap'
import type { Test } from 'tap'
import { chat, post } from '../helpers/client.ts'
import { startWorkers } from '../helpers/router.ts'
import { until } from '../helpers/until.ts'
import { serve } from './binary.ts'
import type { Running } from './binary.ts'

t.setTimeout(120_000)

/** A folder beside the server's own, with a config file. */
function configured (t: Test, text: string | undefined): string {
  const folder = mkdtempSync(join(tmpdir(), 'vllm-router-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  if (text !== undefined) writeFileSync(join(folder, 'router.yaml'), text)
  return join(folder, 'router.yaml')
}

const lines = (running: Running, text: string): number => running.stdout.split('\n').filter(line => line.includes(text)).length

t.test('a stream survives a change of workers, policy and limits', async t => {
  const [first, second] = await startWorkers(t, 2, { interTokenLatencyMs: 10 })
  if (first === undefined || second === undefined) throw new Error('no workers')
  const file = configured(t, `worker-urls: [${first.url}]\npolicy: round_robin\n`)
  const running = await serve(t, '--config', file)
  await until('ready', async () => (await fetch(`${running.url}/readiness`)).ok)
  const answer = await post(running.url + '/v1/chat/completions', chat('a', { stream: true, max_tokens: 300 }))
  const text = answer.text()

  // replaced as editors do it
  writeFileSync(file + '~', `worker-urls: [${second.url}]\npolicy: consistent_hash\nmax-concurrent-requests: 7\nlog-level: debug\nmax-payload-size: 5000000\n`)
  renameSync(file + '~', file)
  await until('the change', () => lines(running, 'options changed: ') === 1, 15_000)
  t.match(running.stdout, /options changed: --worker-urls, --max-concurrent-requests, --policy, --log-level"/)
  await until('the warning', () => lines(running, 'options that change with the next start only: --max-payload-size"') === 1)
  await until('the other worker serves', async () => (await fetch(`${running.url}/readiness`)).ok)
  const list = await (await fetch(running.url + '/workers')).json() as { workers: Array<{ url: string, state: string, in_flight: number }> }
  t.same(list.workers.map(worker => [worker.url, worker.state]), [[first.url, 'draining'], [second.url, 'ready']])
  const info = await (await fetch(running.url + '/get_server_info')).json() as { policy: string }
  t.equal(info.policy, 'consistent_hash')
  const explained = await post(running.url + '/v1/chat/completions', chat('b'), { 'x-vllm-router-explain': '1' })
  t.equal(explained.status, 200)
  t.match(explained.headers.get('x-vllm-router-decision'), /policy=consistent_hash/)
  t.match(running.stdout, /"level":20/, 'the log level changed')
  t.match(await text, /data: \[DONE\]\n\n$/, 'the stream was not disturbed')
  running.child.kill('SIGTERM')
  t.same(await running.ended, [0, null])
})

t.test('a mistake is refused in one line', async t => {
  const [worker] = await startWorkers(t, 1)
  const file = configured(t, `worker-urls: [${worker?.url ?? ''}]\n`)
  const running = await serve(t, '--config', file)
  await until('ready', async () => (await fetch(`${running.url}/readiness`)).ok)
  writeFileSync(file, 'worker-urls: []\npolicy: no_such_policy\n')
  await until('the refusal', () => lines(running, 'options not changed') === 1, 15_000)
  t.match(running.stdout, /options not changed, the old ones stay: [^\n]*no_such_policy/)
  t.equal((await fetch(`${running.url}/readiness`)).status, 200)
  t.equal((await post(running.url + '/v1/chat/completions', chat('a'))).status, 200)
  writeFileSync(file, `worker-urls: [${worker?.url ?? ''}]\nqueue-size: 3\n`)
  await until('the next change', () => lines(running, 'options changed: --queue-size') === 1, 15_000)
})

t.test('SIGHUP reads again; without a change nothing happens', async t => {
  const [worker] = await startWorkers(t, 1)
  const running = await serve(t, '--worker-urls', worker?.url ?? '')
  await until('ready', async () => (await fetch(`${running.url}/readiness`)).ok)
  running.child.kill('SIGHUP')
  await until('it said so', () => lines(running, 'nothing changed') === 1)
  // the environment's file is read again, too
  writeFileSync(join(running.folder, '.env'), 'VLLM_ROUTER_POLICY=random\n')
  running.child.kill('SIGHUP')
  await until('the change', () => lines(running, 'options changed: --policy') === 1)
  t.equal((await (await fetch(running.url + '/get_server_info')).json() as { policy: string }).policy, 'random')
  running.child.kill('SIGTERM')
  t.same(await Promise.race([running.ended, after(5000, 'still running', { ref: false })]), [0, null])
})

t.test('a ConfigMap that Kubernetes swaps', async t => {
  const folder = dirname(configured(t, undefined))
  const version = (n: number): void => {
    mkdirSync(join(folder, `..v${n}`))
    writeFileSync(join(folder, `..v${n}`, 'router.yaml'), `queue-size: ${n}\n`)
    symlinkSync(`..v${n}`, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    // what was there goes at once
    if (n > 1) rmSync(join(folder, `..v${n - 1}`), { recursive: true })
  }
  version(1)
  symlinkSync('..data/router.yaml', join(folder, 'router.yaml'))
  const running = await serve(t, '--config', join(folder, 'router.yaml'))
  await until('the start', async () => (await fetch(`${running.url}/liveness`)).ok)
  version(2)
  await until('the first swap', () => lines(running, 'options changed: --queue-size') === 1, 15_000)
  version(3)
  await until('the second swap', () => lines(running, 'options changed: --queue-size') === 2, 15_000)
  t.equal(lines(running, 'options not changed'), 0)
})
