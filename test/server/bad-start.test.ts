// A start that cannot be ends with one clear line on standard error: exit code 2 for options, 1 for everything else.
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { run } from './binary.ts'

// every test starts processes, which takes its time on a busy machine
t.setTimeout(120_000)

const oneLine = /^[^\n]+\n$/

t.test('options', async t => {
  const cases: Array<[args: string[], told: RegExp]> = [
    [['--portt', '3'], /^vllm-router: unknown option --portt \(did you mean --port\?\)/],
    [['--port', 'x'], /--port takes a whole number from 0 to 65535, not "x"/],
    [['--port', '31000', '--prometheus-port', '31000'], /--prometheus-port takes another port than --port/],
    [['--config', 'nowhere.yaml'], /--config .*nowhere\.yaml/],
    [['--log-dir', '/proc/nope'], /--log-dir takes a folder that can be written to, not "\/proc\/nope" \(/],
    [['simulator', '--nope'], /unknown option '--nope'/],
    [['simulator', '--port', 'x'], /option '--port <number>' argument 'x' is invalid/],
    [['simulator', 'extra'], /too many arguments/]
  ]
  for (const [args, told] of cases) {
    const running = run(t, ...args)
    t.same(await running.ended, [2, null], args.join(' '))
    t.match(running.stderr, told)
    t.match(running.stderr, oneLine)
    t.equal(running.stdout, '')
  }
})

t.test('a port in use, for requests and for metrics', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => { taken.close() })
  await once(taken, 'listening')
  const port = String((taken.address() as AddressInfo).port)
  for (const args of [['--port', port, '--prometheus-port', '0'], ['--port', '0', '--prometheus-port', port]]) {
    const running = run(t, ...args)
    t.same(await running.ended, [1, null])
    t.match(running.stderr, /^vllm-router: .* in use/)
    t.match(running.stderr, port)
    t.match(running.stderr, /port|prometheusPort/)
    t.match(running.stderr, oneLine)
  }
  const running = run(t, '--port', '0', '--prometheus-port', '0', '--vllm-discovery-address', `127.0.0.1:${port}`)
  t.same(await running.ended, [1, null])
  t.match(running.stderr, `vllm-router: --vllm-discovery-address 127.0.0.1:${port} cannot be listened on: it is in use by another process\n`)
  t.match(running.stderr, oneLine)
})

t.test('a host that is not there', async t => {
  const running = run(t, '--port', '0', '--prometheus-port', '0', '--host', '192.0.2.1')
  t.same(await running.ended, [1, null])
  t.match(running.stderr, /192\.0\.2\.1 is no address of this machine/)
  t.match(running.stderr, oneLine)
})
