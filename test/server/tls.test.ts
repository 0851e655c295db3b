// The binary over TLS: where it listens, what it logs, how it reloads and ends; files that cannot be used end the start with one line that names the flag.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import { chat } from '../helpers/client.ts'
import { call, connectHttp2, postHttp2 } from '../helpers/http2-client.ts'
import { startWorkers } from '../helpers/router.ts'
import { tlsFile } from '../helpers/tls.ts'
import { until } from '../helpers/until.ts'
import { run, serve } from './binary.ts'

t.setTimeout(120_000)

const file = (name: string): string => resolve(tlsFile(name))
const flags = ['--tls-cert', file('server'), '--tls-key', file('server-key')]

t.test('it listens, streams over HTTP/2, and ends', async t => {
  const [worker] = await startWorkers(t, 1, { interTokenLatencyMs: 10 })
  const running = await serve(t, ...flags, '--worker-urls', worker?.url ?? '', '--admin-port', '0', '--admin-api-key', 'sekret', '--access-log')
  t.match(running.url, /^https:/)
  await until('the admin listener is told', () => /admin routes on https:\/\/127\.0\.0\.1:\d+"/.test(running.stdout))
  const session = await connectHttp2(t, running.url)
  t.equal(session.alpnProtocol, 'h2')
  await until('ready', async () => (await call(session, { ':path': '/readiness' }).answer).status === 200)
  const stream = postHttp2(session, '/v1/chat/completions', chat('a', { stream: true, max_tokens: 60 }))
  await until('it streams', () => stream.text() !== '')
  running.child.kill('SIGTERM')
  const { body, complete } = await stream.answer
  t.match(body.toString(), /\[DONE\]\n\n$/)
  t.equal(complete, true)
  t.same(await running.ended, [0, null])
  t.match(running.stdout, /"path":"\/v1\/chat\/completions"[^\n]*"end":"completed"/)
  t.notMatch(running.stdout, /sekret/)
  t.equal(running.stderr, '')
})

t.test('a stream that does not end is ended, and the process with it', async t => {
  const [worker] = await startWorkers(t, 1, { interTokenLatencyMs: 20 })
  const running = await serve(t, ...flags, '--worker-urls', worker?.url ?? '', '--drain-timeout-secs', '0.2')
  const session = await connectHttp2(t, running.url)
  await until('ready', async () => (await call(session, { ':path': '/readiness' }).answer).status === 200)
  const stream = postHttp2(session, '/v1/chat/completions', chat('a', { stream: true, max_tokens: 30_000 }))
  await until('it streams', () => stream.text() !== '')
  running.child.kill('SIGTERM')
  t.match((await stream.answer).body.toString(), /"code":"shutting_down"/)
  t.same(await running.ended, [1, null])
})

t.test('reloading', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'vllm-router-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const config = join(folder, 'router.yaml')
  copyFileSync(file('server'), join(folder, 'cert.pem'))
  copyFileSync(file('server-key'), join(folder, 'key.pem'))
  const written = (more: string, key = join(folder, 'key.pem')): void => writeFileSync(config, `tls-cert: ${join(folder, 'cert.pem')}\n${key === '' ? '' : `tls-key: ${key}\n`}${more}`)
  written('')
  const running = await serve(t, '--config', config)
  const session = await connectHttp2(t, running.url)
  const lines = (text: string): number => running.stdout.split('\n').filter(line => line.includes(text)).length
  written('admin-api-key: sekret\ncors-allowed-origins: [https://chat.example]\napi-key: sekret\nworker-tls-insecure: true\n')
  await until('the change', () => lines('options changed: ') === 1, 15_000)
  t.match(running.stdout, /options changed: --cors-allowed-origins, --worker-tls-insecure, --admin-api-key, --api-key"/)
  t.equal(lines('certificates of workers are not verified'), 1)
  t.equal((await call(session, { ':path': '/workers' }).answer).status, 401)
  t.equal((await call(session, { ':path': '/workers', authorization: 'Bearer sekret' }).answer).status, 200)

  written('api-key-file: /nowhere\n')
  await until('the refusal', () => lines('options not changed, the old ones stay: --api-key-file takes a file whose first line is a key, not \\"/nowhere\\": there is no such file') === 1, 15_000)
  written('', file('next-server-key'))
  await until('the refusal', () => lines('options not changed, the old ones stay: --tls-key takes the private key of --tls-cert') === 1, 15_000)
  written('admin-port: 0\n')
  await until('what needs a start', () => lines('options that change with the next start only: --admin-port') === 1, 15_000)
  writeFileSync(config, '')
  await until('what needs a start', () => lines('options not changed, the old ones stay: --tls-cert can be given, or taken away, with the next start only') === 1, 15_000)
  t.equal((await call(session, { ':path': '/liveness' }).answer).status, 200, 'the connection of the beginning')
  t.notMatch(running.stdout, /sekret/)
})

t.test('bad starts', async t => {
  const cases: Array<[args: string[], told: RegExp]> = [
    [['--tls-cert', 'nowhere.pem', '--tls-key', file('server-key')], /^vllm-router: --tls-cert takes a PEM file with a certificate, not "nowhere\.pem": there is no such file$/],
    [['--tls-cert', file('server'), '--tls-key', file('client-key')], /^vllm-router: --tls-key takes the private key of --tls-cert, not .*: it is the key of another certificate$/],
    [['--api-key-file', '/nowhere'], /^vllm-router: --api-key-file takes a file whose first line is a key, not "\/nowhere": there is no such file$/]
  ]
  for (const [args, told] of cases) {
    const running = run(t, '--port', '0', '--prometheus-port', '0', ...args)
    t.same(await running.ended, [2, null], args.join(' '))
    t.match(running.stderr.trimEnd(), told)
    t.match(running.stderr, /^[^\n]+\n$/)
  }
})

t.test('the client is named as a trusted proxy says it', async t => {
  const running = await serve(t, '--access-log', '--trust-proxy', '127.0.0.0/8')
  await fetch(running.url + '/liveness', { headers: { 'x-forwarded-for': '10.0.0.1, 192.0.2.7' } })
  await until('the line', () => running.stdout.includes('"client":"192.0.2.7"'))
})

t.test('the default port may be another listener\'s where the router listens elsewhere', async t => {
  const running = run(t, '--port', '0', '--prometheus-port', '0', '--admin-port', '30000')
  await until('it listens, or 30000 is taken', () => /admin routes on|adminPort 30000|--admin-port 30000/.test(running.stdout + running.stderr), 15_000)
  t.notMatch(running.stderr, /takes another port/)
})
