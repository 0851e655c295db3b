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

t.test('any free port twice, and one port on two addresses', async t => {
  t.equal((await load(['--port=0', '--prometheus-port=0'])).options.prometheusPort, 0)
  t.equal((await load(['--port=7', '--prometheus-port=7', '--prometheus-host=10.0.0.1'])).options.port, 7)
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
