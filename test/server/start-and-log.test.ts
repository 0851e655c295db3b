// What the server prints: a summary and a curl that works for simulated workers, JSON where nobody reads along, no line per request.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../helpers/until.ts'
import { run, serve, server, start } from './binary.ts'

// every test starts processes, which takes its time on a busy machine
t.setTimeout(120_000)

const chat = JSON.stringify({ model: 'simulated', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 2 })
const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: chat }

function jsonLines (text: string): Array<{ level: number, msg: string }> {
  return text.split('\n').filter(line => line !== '' && !line.startsWith('  ')).map(line => JSON.parse(line) as { level: number, msg: string })
}

t.test('no worker: it starts, is alive and not ready', async t => {
  const { url, stdout } = await serve(t)
  t.equal((await fetch(`${url}/liveness`)).status, 200)
  t.equal((await fetch(`${url}/readiness`)).status, 503)
  t.equal((await fetch(`${url}/v1/chat/completions`, post)).status, 503)
  t.ok(jsonLines(stdout).length > 0)
})

t.test('simulated workers: summary and a curl that streams', async t => {
  const running = await serve(t, '--simulated-workers', '3')
  const command = await until('the curl', () => /curl -N (\S+) -H 'Content-Type: application\/json' -d '(.*)'\n\n/.exec(running.stdout) ?? undefined)
  t.match(running.stdout, /These workers are simulated/)
  t.match(running.stdout, /policy {5}cache_aware\n/)
  t.equal(running.stdout.match(/^ {4}http:\/\/127\.0\.0\.1:\d+ {2}ready$/gm)?.length, 3)
  const [, target = '', body = ''] = command
  const answer = await fetch(target, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
  t.match(answer.headers.get('content-type'), /^text\/event-stream/)
  t.match(await answer.text(), /^data: \{[^]*data: \[DONE\]\n\n$/)

  const metrics = /metrics {4}(\S+)/.exec(running.stdout)?.[1] ?? ''
  t.match(await (await fetch(metrics)).text(), /vllm_router_requests_total\{route="\/v1\/chat\/completions"\} 1/)

  const before = running.stdout.length
  for (let i = 0; i < 3; i++) t.equal((await fetch(`${running.url}/v1/chat/completions`, post)).status, 200)
  running.child.kill('SIGTERM')
  t.same(await running.ended, [0, null])
  t.same(jsonLines(running.stdout.slice(before)).map(line => line.msg), ['shutting down'], 'no line per request at info')
  t.ok(jsonLines(running.stdout).length > 3, 'every line but the summary is JSON')
  t.equal(running.stderr, '')
})

t.test('data-parallel ranks of simulated workers all answer', async t => {
  const { url } = await serve(t, '--simulated-workers', '1', '--intra-node-data-parallel-size', '2', '--policy', 'round_robin')
  await until('both ranks ready', async () => ((await (await fetch(`${url}/readiness`)).json()) as { healthy_workers?: number }).healthy_workers === 2)
  for (let i = 0; i < 4; i++) t.equal((await fetch(`${url}/v1/chat/completions`, post)).status, 200)
})

t.test('--access-log: one line per request', async t => {
  const running = await serve(t, '--access-log')
  await (await fetch(`${running.url}/liveness?secret=1`)).text()
  const line = await until('the line', () => jsonLines(running.stdout).find(line => line.msg === 'request'))
  t.match(line, { method: 'GET', path: '/liveness', status: 200 })
  t.notMatch(running.stdout, /secret/)
})

t.test('--log-level', async t => {
  const running = run(t, '--port', '0', '--prometheus-port', '0', '--log-level', 'error', '--simulated-workers', '1')
  await until('the summary', () => running.stdout.includes('curl'), 15_000)
  running.child.kill('SIGTERM')
  t.same(await running.ended, [0, null])
  t.same(jsonLines(running.stdout), [])
})

t.test('--log-dir writes a file too', async t => {
  const running = await serve(t, '--log-dir', 'deep/logs')
  running.child.kill('SIGTERM')
  t.same(await running.ended, [0, null])
  const folder = join(running.folder, 'deep/logs')
  const files = readdirSync(folder)
  t.equal(files.length, 1)
  t.match(files[0], /^vllm-router\.\d{4}-\d\d-\d\d.*\.log$/)
  const lines = jsonLines(readFileSync(join(folder, files[0] ?? ''), 'utf8')).map(line => line.msg)
  t.match(lines.join('\n'), /listening on[^]*shutting down/)
})

t.test('on a terminal: the summary first, then a readable log', { skip: !existsSync('/usr/bin/script') && 'no `script` here to make a terminal' }, async t => {
  const running = start(t, '/usr/bin/script', ['-qec', `'${process.execPath}' '${server}' --port 0 --prometheus-port 0`, '/dev/null'])
  await until('the log after the summary', () => running.stdout.includes('metrics on http'), 15_000)
  t.match(running.stdout.replaceAll('\r', ''), /^\n {2}vllm-router listens on http:\/\/127\.0\.0\.1:\d+\n {2}policy[^]*none yet: add some with --worker-urls/)
  t.match(running.stdout, /\[\d\d:\d\d:\d\d\.\d{3}\].*INFO/)
  t.notMatch(running.stdout, /"level":30/)
})

t.test('the simulator as a command', async t => {
  const running = run(t, 'simulator', '--port', '0', '--model', 'm')
  const url = await until('the address', () => /listening on (\S+)\n/.exec(running.stdout)?.[1], 15_000)
  t.match(await (await fetch(`${url}/v1/models`)).json(), { data: [{ id: 'm' }] })
  running.child.kill('SIGTERM')
  t.same(await running.ended, [0, null])
})
