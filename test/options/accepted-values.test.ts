// What is accepted in more than one spelling, and what becomes of it.
import t from 'tap'
import { load } from './helpers.ts'

t.test('worker URLs: kept as written but for a trailing slash; once each', async t => {
  const { options } = await load(['--worker-urls', 'http://A:80/', 'https://b/base//', 'http://c@2', 'http://c/@2', 'http://[::1]:8000'])
  t.strictSame(options.workerUrls, ['http://A:80', 'https://b/base', 'http://c@2', 'http://[::1]:8000'])
})

t.test('lists in the environment: commas, spaces around them, nothing between them', async t => {
  const { options } = await load([], { VLLM_ROUTER_WORKER_URLS: ' http://a , http://b,,' })
  t.strictSame(options.workerUrls, ['http://a', 'http://b'])
})

t.test('header names are lower-case', async t => {
  t.strictSame((await load(['--request-id-headers', 'X-My-Id', 'x-my-id'])).options.requestIdHeaders, ['x-my-id'])
})

t.test('switches in the environment', async t => {
  for (const [text, value] of Object.entries({ true: true, TRUE: true, 1: true, yes: true, false: false, 0: false, No: false })) {
    t.equal((await load([], { VLLM_ROUTER_SWAGGER_UI: text })).options.swaggerUi, value, text)
  }
})

t.test('hosts: names and addresses, brackets dropped', async t => {
  for (const [host, value] of Object.entries({ localhost: 'localhost', 'a-b.example': 'a-b.example', '::': '::', '[::1]': '::1', '10.1.2.3': '10.1.2.3' })) {
    t.equal((await load([`--host=${host}`])).options.host, value)
  }
})

t.test('addresses to listen on, and networks', async t => {
  for (const [given, value] of Object.entries({ '0.0.0.0:5555': '0.0.0.0:5555', '[::]:5555': '[::]:5555', ':::5555': '[::]:5555', 'router.example:1': 'router.example:1' })) {
    t.equal((await load([`--vllm-discovery-address=${given}`])).options.vllmDiscoveryAddress, value)
  }
  t.strictSame((await load(['--vllm-discovery-allow', '10.0.0.0/8', '::1'])).options.vllmDiscoveryAllow, ['10.0.0.0/8', '::1'])
})

t.test('spaces and the newline at the end of a mounted secret are dropped', async t => {
  t.equal((await load([], { VLLM_ROUTER_API_KEY: 's3cret\n' })).options.apiKey, 's3cret')
})

t.test('origins: in the form browsers send them', async t => {
  t.strictSame((await load(['--cors-allowed-origins', 'https://Chat.Example/', 'http://localhost:5173', 'https://a:443', '*'])).options.corsAllowedOrigins, ['https://chat.example', 'http://localhost:5173', 'https://a', '*'])
})

t.test('a proxy that is anybody: true as a word and as YAML has it', async t => {
  const dir = t.testdir({ 'on.yaml': 'trust-proxy: true', 'off.yaml': 'trust-proxy: false' })
  t.strictSame((await load(['--trust-proxy', 'true'])).options.trustProxy, ['true'])
  t.strictSame((await load(['--config=on.yaml'], {}, dir)).options.trustProxy, ['true'])
  t.strictSame((await load(['--config=off.yaml'], {}, dir)).options.trustProxy, [])
  t.strictSame((await load(['--trust-proxy', '10.0.0.0/8', 'fd00::/8', '192.0.2.1', 'loopback'])).options.trustProxy, ['10.0.0.0/8', 'fd00::/8', '192.0.2.1', 'loopback'])
})

t.test('numbers: fractions and exponents; minus zero is zero', async t => {
  t.equal((await load(['--request-timeout-secs', '1.5e2'])).options.requestTimeoutSecs, 150)
  t.ok(Object.is((await load(['--drain-timeout-secs', '-0'])).options.drainTimeoutSecs, 0))
})

t.test('ports: numbers and names, in a file also without quotes', async t => {
  for (const [text, port] of Object.entries({ http: 'http', 8000: '8000', '080': '80' })) {
    t.equal((await load([`--service-discovery-port=${text}`])).options.serviceDiscoveryPort, port)
  }
  const dir = t.testdir({ 'a.yaml': 'service-discovery-port: 8000\n' })
  t.equal((await load(['--config', 'a.yaml'], {}, dir)).options.serviceDiscoveryPort, '8000')
})

t.test('labels: with a prefix, with an empty value', async t => {
  const labels = ['app=vllm', 'example.com/role=decode', 'tier=', 'A.b_c-d=E.f_g-h']
  t.strictSame((await load(['--selector', ...labels])).options.selector, labels)
})
