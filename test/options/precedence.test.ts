// Flag over environment over .env over file over default, each option by itself, and its origin is told.
import t from 'tap'
import { load } from './helpers.ts'

const dir = t.testdir({
  '.env': 'VLLM_ROUTER_POLICY=random\nVLLM_ROUTER_HOST=127.0.0.2\nVLLM_ROUTER_CACHE_THRESHOLD=0.5\nHOME=/elsewhere\n',
  'router.yaml': 'port: 1001\nhost: 127.0.0.9\npolicy: round_robin\nlog-level: error\nmax-tree-size: 7\naccess-log: true\n'
})

t.test('the strongest origin counts', async t => {
  const { options, given, warnings } = await load(
    ['--port', '1003', '--config', 'router.yaml', '--no-access-log'],
    { VLLM_ROUTER_PORT: '1002', VLLM_ROUTER_HOST: '127.0.0.3', VLLM_ROUTER_LOG_LEVEL: 'debug', HOME: '/home/x' }, dir)
  t.equal(options.port, 1003)
  t.equal(options.host, '127.0.0.3')
  t.equal(options.policy, 'random')
  t.equal(options.logLevel, 'debug')
  t.equal(options.maxTreeSize, 7)
  t.equal(options.accessLog, false)
  t.equal(options.connectTimeoutSecs, 10)
  t.strictSame(given, {
    host: { origin: 'environment', as: 'VLLM_ROUTER_HOST' },
    port: { origin: 'flag', as: '--port' },
    policy: { origin: 'environment', as: 'VLLM_ROUTER_POLICY' },
    cacheThreshold: { origin: 'environment', as: 'VLLM_ROUTER_CACHE_THRESHOLD' },
    maxTreeSize: { origin: 'file', as: 'max-tree-size in router.yaml' },
    logLevel: { origin: 'environment', as: 'VLLM_ROUTER_LOG_LEVEL' },
    accessLog: { origin: 'flag', as: '--no-access-log' }
  })
  t.strictSame(warnings, [])
})

t.test('an empty variable does not hide what is weaker', async t => {
  const { options } = await load(['--config', 'router.yaml'], { VLLM_ROUTER_PORT: '', VLLM_ROUTER_POLICY: ' ', VLLM_ROUTER_LOG_LEVEL: undefined }, dir)
  t.equal(options.port, 1001)
  t.equal(options.policy, 'random')
  t.equal(options.logLevel, 'error')
})

t.test('a bad value that a stronger one hides does no harm', async t => {
  t.equal((await load(['--port=5'], { VLLM_ROUTER_PORT: 'five' }, dir)).options.port, 5)
})

t.test('nothing of process.env leaks in', async t => {
  process.env['VLLM_ROUTER_PORT'] = '4'
  t.teardown(() => { delete process.env['VLLM_ROUTER_PORT'] })
  t.equal((await load([])).options.port, 30000)
})
