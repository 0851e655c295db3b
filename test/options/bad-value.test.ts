// A bad value ends the start with one line: the option as given, what is allowed, what was given.
import t from 'tap'
import { resolveOptions, routerSpecs } from '../../options.ts'
import { allowed } from '../../options/coerce.ts'
import { message, refusal } from './helpers.ts'

const cases: ReadonlyArray<readonly [string, string]> = [
  ['--port=65536', '--port takes a whole number from 0 to 65535, not "65536"'],
  ['--port=-1', '--port takes a whole number from 0 to 65535, not "-1"'],
  ['--port=80.5', '--port takes a whole number from 0 to 65535, not "80.5"'],
  ['--port=0x50', '--port takes a whole number from 0 to 65535, not "0x50"'],
  ['--port=', '--port takes a whole number from 0 to 65535, not ""'],
  ['--port=tcp://10.0.0.1:1', '--port takes a whole number from 0 to 65535, not "tcp://10.0.0.1:1"'],
  ['--max-index-entries=9007199254740993', '--max-index-entries takes a whole number of at least 1, not "9007199254740993"'],
  ['--cache-threshold=1.01', '--cache-threshold takes a number from 0 to 1, not "1.01"'],
  ['--cache-threshold=NaN', '--cache-threshold takes a number from 0 to 1, not "NaN"'],
  ['--balance-rel-threshold=0.9', '--balance-rel-threshold takes a number of at least 1, not "0.9"'],
  ['--eviction-interval-secs=0', '--eviction-interval-secs takes a number greater than 0 and at most 2147483, not "0"'],
  ['--request-timeout-secs=Infinity', '--request-timeout-secs takes a number greater than 0 and at most 2147483, not "Infinity"'],
  ['--request-timeout-secs=2147484', '--request-timeout-secs takes a number greater than 0 and at most 2147483, not "2147484"'],
  ['--policy=best', '--policy takes one of cache_aware, consistent_hash, least_load, power_of_two, random, rendezvous_hash, round_robin, sticky_least_loaded, sticky_until_saturated, not "best"'],
  ['--runtime=openai', '--runtime takes only vllm, not "openai"'],
  ['--host=127.0.0.1:80', '--host takes a host name or an IP address, without a port, not "127.0.0.1:80"'],
  ['--host=256.0.0.1', '--host takes a host name or an IP address, without a port, not "256.0.0.1"'],
  ['--health-check-endpoint=health', '--health-check-endpoint takes a path that starts with /, not "health"'],
  ['--request-id-headers=x id', '--request-id-headers takes header names, not "x id"'],
  ['--log-dir=', '--log-dir takes a path, not ""'],
  ['--log-dir=a\0b', '--log-dir takes a path, not "a\\u0000b"'],
  ['--worker-urls=localhost:8000', '--worker-urls takes http:// or https:// URLs, not "localhost:8000" (it is not a URL like http://HOST:PORT)'],
  ['--worker-urls=http://a:99999', '--worker-urls takes http:// or https:// URLs, not "http://a:99999" (it is not a URL like http://HOST:PORT)'],
  ['--worker-urls=http:a', '--worker-urls takes http:// or https:// URLs, not "http:a" (it is not a URL like http://HOST:PORT)'],
  ['--worker-urls=grpc://a:1', '--worker-urls takes http:// or https:// URLs, not "grpc://a:1" (gRPC workers are not supported)'],
  ['--worker-urls=http://a,http://b', '--worker-urls takes http:// or https:// URLs, not "http://a,http://b" (several URLs are separated by spaces after the flag, by commas in the environment)'],
  ['--prefill=8998', '--prefill takes http:// or https:// URLs, each maybe with a port or none behind it, not "8998" (it is not a URL like http://HOST:PORT)'],
  ['--prefill=http://a 70000', '--prefill takes http:// or https:// URLs, each maybe with a port or none behind it, not "http://a 70000" (only a port from 1 to 65535 or none may follow the URL)'],
  ['--prefill=http://me:HUSH@a', '--prefill takes http:// or https:// URLs, each maybe with a port or none behind it, not "http://…@a" (a URL must not hold credentials: use the option api-key)'],
  ['--kv-connector=none', '--kv-connector takes one of nixl, mooncake, moriio, p2p-nccl, auto, not "none"'],
  ['--vllm-discovery-address=5555', '--vllm-discovery-address takes HOST:PORT, not "5555"'],
  ['--vllm-discovery-address=tcp://*:5555', '--vllm-discovery-address takes HOST:PORT, not "tcp://*:5555"'],
  ['--vllm-discovery-allow=10.0.0.0/33', '--vllm-discovery-allow takes IP addresses or networks such as 10.0.0.0/8, not "10.0.0.0/33"'],
  ['--worker-urls=http://a?b', '--worker-urls takes http:// or https:// URLs, not "http://a?…" (a query, a fragment or a space cannot be part of it)'],
  ['--selector=app', '--selector takes labels KEY=VALUE, not "app"'],
  ['--selector==vllm', '--selector takes labels KEY=VALUE, not "=vllm"'],
  ['--selector=app==vllm', '--selector takes labels KEY=VALUE, not "app==vllm"'],
  ['--prefill-selector=app in (a)', '--prefill-selector takes labels KEY=VALUE, not "app in (a)"'],
  ['--decode-selector=a/b/c=d', '--decode-selector takes labels KEY=VALUE, not "a/b/c=d"'],
  ['--service-discovery-namespace=Team', '--service-discovery-namespace takes names of namespaces, not "Team"'],
  ['--service-discovery-port=0', '--service-discovery-port takes a port number or the name of a port, not "0"'],
  ['--service-discovery-port=65536', '--service-discovery-port takes a port number or the name of a port, not "65536"'],
  ['--service-discovery-port=HTTP', '--service-discovery-port takes a port number or the name of a port, not "HTTP"'],
  ['--service-discovery-mode=services', '--service-discovery-mode takes one of pods, endpointslices, service-dns, not "services"'],
  ['--service-name=a b', '--service-name takes names of Services, not "a b"'],
  ['--service-discovery-resync-secs=0', '--service-discovery-resync-secs takes a number greater than 0 and at most 2147483, not "0"'],
  ['--cors-allowed-origins=chat.example', '--cors-allowed-origins takes origins like https://HOST:PORT, not "chat.example"'],
  ['--cors-allowed-origins=https://a/b', '--cors-allowed-origins takes origins like https://HOST:PORT, not "https://a/b" (it ends with the port)'],
  ['--cors-allowed-origins=file:///a', '--cors-allowed-origins takes origins like https://HOST:PORT, not "file:///a"'],
  ['--trust-proxy=1', '--trust-proxy takes IP addresses, networks, loopback, linklocal, uniquelocal or true, not "1" (a number of hops cannot be checked: name the addresses of the proxies)'],
  ['--trust-proxy=10.0.0.0/33', '--trust-proxy takes IP addresses, networks, loopback, linklocal, uniquelocal or true, not "10.0.0.0/33"']
]

t.test('flags', async t => {
  for (const [flag, line] of cases) t.equal(await refusal([flag]), line)
})

t.test('the variable and the place in the file are named as given', async t => {
  const dir = t.testdir({
    'a.yaml': 'port: [1]',
    'b.yml': 'apiKey: 123',
    'c.json': '{ "workerUrls": ["http://a", 7] }',
    'd.yaml': 'access-log: { on: true }',
    'e.yaml': 'policy: 0'
  })
  t.equal(await refusal([], { VLLM_ROUTER_PORT: 'x' }), 'VLLM_ROUTER_PORT takes a whole number from 0 to 65535, not "x"')
  t.equal(await refusal([], { VLLM_ROUTER_ACCESS_LOG: 'maybe' }), 'VLLM_ROUTER_ACCESS_LOG takes true or false, not "maybe"')
  t.equal(await refusal([], { VLLM_ROUTER_WORKER_URLS: 'http://a,b' }), 'VLLM_ROUTER_WORKER_URLS takes http:// or https:// URLs, not "b" (it is not a URL like http://HOST:PORT)')
  t.equal(await refusal(['--config=a.yaml'], {}, dir), 'port in a.yaml takes a whole number from 0 to 65535, not a list')
  t.equal(await refusal(['--config=b.yml'], {}, dir), 'apiKey in b.yml takes visible ASCII characters without spaces, not the value given (a text is needed, put it in quotes)')
  t.equal(await refusal(['--config=c.json'], {}, dir), 'workerUrls in c.json takes http:// or https:// URLs, not 7 (a text is needed, put it in quotes)')
  t.equal(await refusal(['--config=d.yaml'], {}, dir), 'access-log in d.yaml takes true or false, not a mapping')
  t.match(await refusal(['--config=e.yaml'], {}, dir), /^policy in e.yaml takes one of .*, not 0$/)
})

t.test('no option takes a mapping, and every error says what it takes, on one line', async t => {
  for (const spec of routerSpecs) {
    const key = spec.name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
    const line = await message(() => resolveOptions({ [key]: { surprise: 1 } }))
    t.ok(line.startsWith(`${key} takes ${allowed(spec)}, not ${spec.secret === true ? 'the value given' : 'a mapping'}`), line)
  }
})

t.test('what was given is shown short, on one line, without control characters', async t => {
  const line = await refusal([`--policy=${'x\n\u001b[31m\u009b\u2028'.repeat(50)}`])
  for (const character of ['\n', '\u001b', '\u009b', '\u2028']) t.notOk(line.includes(character), `U+${character.charCodeAt(0).toString(16)}`)
  t.ok(line.length < 500, `${line.length}`)
})
