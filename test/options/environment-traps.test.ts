// Variables that look like options and are none are warned of, Kubernetes' own above all.
import t from 'tap'
import { load, refusal } from './helpers.ts'

t.test('a Service called vllm-router does not set the port', async t => {
  const { options, given, warnings } = await load([], {
    VLLM_ROUTER_SERVICE_HOST: '10.0.0.1',
    VLLM_ROUTER_SERVICE_PORT: '30000',
    VLLM_ROUTER_SERVICE_PORT_HTTP: '30000',
    VLLM_ROUTER_PORT: 'tcp://10.0.0.1:30000',
    VLLM_ROUTER_PORT_30000_TCP: 'tcp://10.0.0.1:30000',
    VLLM_ROUTER_PORT_30000_TCP_PROTO: 'tcp',
    VLLM_ROUTER_PORT_30000_TCP_PORT: '30000',
    VLLM_ROUTER_PORT_30000_TCP_ADDR: '10.0.0.1',
    VLLM_ROUTER_PROMETHEUS_PORT: 'tcp://10.0.0.2:29000',
    VLLM_ROUTER_METRICS_PORT: 'tcp://10.0.0.3:9',
    VLLM_ROUTER_HOST: '0.0.0.0'
  })
  t.equal(options.port, 30000)
  t.equal(options.prometheusPort, 29000)
  t.strictSame(Object.keys(given), ['host'])
  t.equal(warnings.length, 1)
  t.match(warnings[0], /^ignored VLLM_ROUTER_METRICS_PORT, VLLM_ROUTER_PORT, VLLM_ROUTER_PORT_30000_TCP, .*enableServiceLinks: false/)
  t.notMatch(warnings[0], 'VLLM_ROUTER_HOST')
})

t.test('only numbers are mistaken for such a variable: elsewhere the value is an error', async t => {
  t.match(await refusal([], { VLLM_ROUTER_HOST: 'tcp://10.0.0.1:1' }), /^VLLM_ROUTER_HOST takes a host name/)
  t.match(await refusal([], { VLLM_ROUTER_PORT: 'http://10.0.0.1:1' }), /^VLLM_ROUTER_PORT takes a whole number/)
})

t.test('the .env file still counts behind such a variable', async t => {
  const dir = t.testdir({ '.env': 'VLLM_ROUTER_PORT=8123\n' })
  t.equal((await load([], { VLLM_ROUTER_PORT: 'tcp://10.0.0.1:30000' }, dir)).options.port, 8123)
})

t.test('an unknown variable is warned of, in .env too', async t => {
  const dir = t.testdir({ '.env': 'VLLM_ROUTER_POLYCY=random\nOTHER=1\n' })
  const { warnings } = await load([], { VLLM_ROUTER_VERSION: '7', VLLM_ROUTR_PORT: '1' }, dir)
  t.strictSame([...warnings].sort(), [
    'ignored VLLM_ROUTER_POLYCY: no option has this name (did you mean VLLM_ROUTER_POLICY?)',
    'ignored VLLM_ROUTER_VERSION: no option has this name'
  ])
})

t.test('an alias is the same option', async t => {
  t.equal((await load([], { VLLM_ROUTER_EVICTION_INTERVAL_SECS: '9' })).options.evictionInterval, 9)
  t.match(await refusal([], { VLLM_ROUTER_EVICTION_INTERVAL_SECS: '9', VLLM_ROUTER_EVICTION_INTERVAL: '9' }),
    /are the same option, give only one of them$/)
})

t.test('a .env that cannot be read is an error', async t => {
  const dir = t.testdir({ '.env': {} })
  t.match(await refusal([], {}, dir), /^\.env in .* cannot be read: EISDIR/)
})
