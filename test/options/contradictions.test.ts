// Options that cannot be meant together, and those that are merely doubtful.
import t from 'tap'
import { resolveOptions } from '../../options.ts'
import { load, message, refusal } from './helpers.ts'

t.test('one port for two listeners on the same address', async t => {
  t.equal(await refusal(['--port', '29000']), '--prometheus-port (default) takes another port than --port on the same host, not 29000 for both')
  t.equal(await refusal(['--host', '0.0.0.0', '--prometheus-port', '30000']), '--prometheus-port takes another port than --port (default) on the same host, not 30000 for both')
  t.equal(await refusal(['--host=localhost', '--port=7'], { VLLM_ROUTER_PROMETHEUS_PORT: '7' }), 'VLLM_ROUTER_PROMETHEUS_PORT takes another port than --port on the same host, not 7 for both')
  t.equal(await message(() => resolveOptions({ port: 29000 })), 'prometheusPort (default) takes another port than port on the same host, not 29000 for both')
})

t.test('one port for requests or metrics, and for announcements', async t => {
  t.equal(await refusal(['--vllm-discovery-address', '0.0.0.0:30000']), '--vllm-discovery-address takes another port than --port (default) on the same host, not 30000 for both')
  t.equal(await refusal(['--vllm-discovery-address', 'localhost:7', '--prometheus-port=7']), '--vllm-discovery-address takes another port than --prometheus-port on the same host, not 7 for both')
  t.equal((await load(['--vllm-discovery-address', '10.0.0.1:30000'])).options.vllmDiscoveryAddress, '10.0.0.1:30000')
  t.equal((await load(['--vllm-discovery-address', '127.0.0.1:0', '--port=0'])).options.vllmDiscoveryAddress, '127.0.0.1:0')
})

t.test('any free port twice, and one port on two addresses', async t => {
  t.equal((await load(['--port=0', '--prometheus-port=0'])).options.prometheusPort, 0)
  t.equal((await load(['--port=7', '--prometheus-port=7', '--prometheus-host=10.0.0.1'])).options.port, 7)
})

t.test('processes without a share', async t => {
  t.equal(await refusal(['--processes=3', '--max-concurrent-requests=2']), '--processes is 3, and each needs a share of --max-concurrent-requests, which is 2')
  t.equal((await load(['--processes=3', '--max-concurrent-requests=3'])).options.processes, 3)
})

t.test('a listener for the admin routes', async t => {
  t.equal(await refusal(['--admin-port', '30000']), '--admin-port takes another port than --port (default) on the same host, not 30000 for both')
  t.equal(await refusal(['--admin-port=7', '--admin-host=::', '--prometheus-port=7']), '--admin-port takes another port than --prometheus-port on the same host, not 7 for both')
  t.equal(await refusal(['--admin-host', '0.0.0.0']), '--admin-host is of use together with --admin-port only')
  t.equal((await load(['--admin-port=30000', '--port=8000'])).options.adminPort, 30000)
  t.equal((await load(['--admin-port=0', '--port=0', '--prometheus-port=0'])).options.adminPort, 0)
})

t.test('files that belong together, or do not', async t => {
  t.equal(await refusal(['--api-key=a', '--api-key-file=b']), '--api-key-file takes the place of --api-key: give one of them')
  t.equal(await refusal(['--api-key-file=b'], { VLLM_ROUTER_API_KEY: 'a' }), '--api-key-file takes the place of VLLM_ROUTER_API_KEY: give one of them')
  t.equal(await refusal(['--tls-cert=a']), '--tls-cert is of use together with --tls-key only')
  t.equal(await refusal(['--tls-key=a']), '--tls-key is of use together with --tls-cert only')
  t.equal(await refusal(['--worker-client-key=a']), '--worker-client-key is of use together with --worker-client-cert only')
  t.equal(await refusal(['--tls-client-ca=a']), '--tls-client-ca is of use together with --tls-cert only')
  t.equal(await message(() => resolveOptions({ workerClientCert: 'a' })), 'workerClientCert is of use together with workerClientKey only')
})

t.test('power_of_two with one worker is a warning', async t => {
  const { warnings } = await load(['--policy=power_of_two', '--worker-urls=http://a'])
  t.equal(warnings.length, 1)
  t.match(warnings[0], /^--policy is power_of_two, which compares two workers, but --worker-urls gives only one/)
  for (const argv of [[], ['--worker-urls', 'http://a', 'http://b'], ['--worker-urls=http://a', '--intra-node-data-parallel-size=2']]) {
    t.strictSame((await load(['--policy=power_of_two', ...argv])).warnings, [])
  }
})

t.test('simulated workers beside real ones are let pass', async t => {
  t.equal((await load(['--simulated-workers=3', '--worker-urls=http://a'])).options.simulatedWorkers, 3)
})

t.test('pools that nobody will ask, or that ask nobody', async t => {
  t.strictSame((await load(['--vllm-pd-disaggregation', '--worker-urls', 'http://a'])).warnings, ['--worker-urls without effect with --vllm-pd-disaggregation: give the workers by prefill and decode'])
  t.strictSame((await load(['--prefill', 'http://a', '--decode', 'http://b'])).warnings, ['--prefill, --decode without effect: --vllm-pd-disaggregation (default) is off'])
  t.match((await load(['--vllm-pd-disaggregation', '--kv-connector=moriio'])).warnings, [/never been tried/])
  t.strictSame((await load(['--vllm-pd-disaggregation', '--prefill', 'http://a', '--decode', 'http://b'])).warnings, [])
})

t.test('JWTs: what is about an issuer needs the issuer, and keys must be found', async t => {
  for (const [flag, name] of [['--jwks-url=https://a/keys', '--jwks-url'], ['--jwt-audience=a', '--jwt-audience'], ['--jwt-models-claim=a', '--jwt-models-claim']] as const) {
    t.equal(await refusal([flag]), `${name} is about JWTs, which are accepted only with --jwt-issuer`)
  }
  t.equal(await refusal(['--jwt-issuer=a', '--jwt-audience=b']), '--jwt-issuer must be an http:// or https:// URL, where its keys can be asked for, or --jwks-url must be given')
  t.strictSame((await load(['--jwt-issuer=a', '--jwt-audience=b', '--jwks-url=https://a/keys'])).warnings, [])
  t.strictSame((await load(['--jwt-issuer=https://a/', '--jwt-audience', 'b', 'c'])).options.jwtAudience, ['b', 'c'])
  t.strictSame((await load(['--jwt-issuer=https://a/'])).warnings, ['--jwt-audience is not given: a token that the issuer made for any other service is accepted as well'])
})

t.test('discovery in Kubernetes that does not know what to look for', async t => {
  t.equal(await refusal(['--service-discovery']), '--service-discovery needs the labels of workers: give --selector, or --prefill-selector and --decode-selector')
  t.equal(await refusal([], { VLLM_ROUTER_SERVICE_DISCOVERY: '1', VLLM_ROUTER_SERVICE_NAME: 'a' }), 'VLLM_ROUTER_SERVICE_DISCOVERY needs the labels of workers: give --selector, or --prefill-selector and --decode-selector')
  t.equal(await refusal(['--service-discovery', '--service-discovery-mode=service-dns', '--selector=a=b']), '--service-discovery-mode service-dns needs --service-name')
  t.equal(await message(() => resolveOptions({ serviceDiscovery: true })), 'serviceDiscovery needs the labels of workers: give selector, or prefillSelector and decodeSelector')
  for (const argv of [['--selector=a=b'], ['--prefill-selector=a=b', '--decode-selector=a=c'], ['--service-discovery-mode=endpointslices', '--service-name=a'], ['--selector', 'a=b', 'c=d', '--worker-urls=http://a']]) {
    t.strictSame((await load(['--service-discovery', ...argv])).warnings, [], argv.join(' '))
  }
})

t.test('options of discovery without effect, or doubtful', async t => {
  const cases: ReadonlyArray<readonly [argv: string[], warning: string]> = [
    [['--selector=a=b', '--service-name=c'], '--selector, --service-name without effect: --service-discovery (default) is off'],
    [['--service-discovery', '--selector=a=b', '--service-name=c'], '--service-name without effect: --service-discovery-mode (default) is pods'],
    [['--service-discovery', '--service-discovery-mode=service-dns', '--service-name=c', '--selector=a=b'], '--selector without effect: --service-discovery-mode is service-dns, which knows no labels'],
    [['--service-discovery', '--service-discovery-mode=endpointslices', '--service-name', 'a', 'a.b.svc'], '--service-name: a Service\'s name has no dot; whole DNS names are for service-dns'],
    [['--service-discovery', '--prefill-selector=a=b'], '--prefill-selector: prefill and decode workers are of use together only'],
    [['--service-discovery', '--prefill-selector', 'a=b', 'c=d', '--decode-selector', 'c=d', 'a=b'], '--prefill-selector, --decode-selector are the same labels: every worker is a prefill worker']
  ]
  for (const [argv, warning] of cases) t.strictSame((await load(argv)).warnings, [warning])
})
