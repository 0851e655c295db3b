// Lists, switches, aliases and `=` on the command line.
import t from 'tap'
import { loadOptions } from '../../options/load.ts'
import { load } from './helpers.ts'

t.test('a list: words after one flag, the flag repeated, with =', async t => {
  const expected = ['http://a:1', 'http://b:2', 'http://c:3']
  for (const argv of [
    ['--worker-urls', ...expected],
    ['--worker-urls', 'http://a:1', 'http://b:2', '--worker-urls', 'http://c:3'],
    ['--worker-urls=http://a:1', '--worker-urls=http://b:2', '--worker-urls=http://c:3'],
    ['--worker-urls', ...expected, '--port', '1', '--access-log']
  ]) t.strictSame((await load(argv)).options.workerUrls, expected, argv.join(' '))
})

t.test('prefill workers, each with a port, with none, or without a word of it', async t => {
  const expected = ['http://a:1 8998', 'http://b:2', 'http://c:3', 'http://d:4@1 9']
  for (const argv of [
    ['--prefill', 'http://a:1', '8998', '--prefill', 'http://b:2', 'none', '--prefill', 'http://c:3', '--prefill', 'http://d:4@1', '9'],
    ['--prefill', 'http://a:1', '8998', 'http://b:2', 'NONE', 'http://c:3', 'http://d:4@1', '9', '--access-log'],
    ['--prefill=http://a:1 8998', '--prefill=http://b:2 none', '--prefill=http://c:3', '--prefill=http://d:4@1 9']
  ]) t.strictSame((await load(argv)).options.prefill, expected, argv.join(' '))
  t.strictSame((await load([], { VLLM_ROUTER_PREFILL: 'http://a:1 8998, http://b:2 none,http://c:3,http://d:4@1 9' })).options.prefill, expected)
  const dir = t.testdir({ 'a.yaml': 'prefill: [http://a:1 8998, http://b:2 none, http://c:3, http://d:4@1, 9]' })
  t.strictSame((await load(['--config', 'a.yaml'], {}, dir)).options.prefill, expected)
})

t.test('the key of OpenAI\'s clients is the workers\' where requests are split, and nobody else\'s', async t => {
  const environment = { OPENAI_API_KEY: ' sk-1\n' }
  t.equal((await load(['--vllm-pd-disaggregation'], environment)).options.apiKey, 'sk-1')
  t.equal((await load(['--vllm-pd-disaggregation', '--api-key=own'], environment)).options.apiKey, 'own')
  t.equal((await load([], environment)).options.apiKey, undefined)
  t.equal((await load(['--vllm-pd-disaggregation'], { OPENAI_API_KEY: ' ' })).options.apiKey, undefined)
})

t.test('a list without a word is empty, and hides a weaker one', async t => {
  const { options } = await load(['--worker-urls', '--port', '5'], { VLLM_ROUTER_WORKER_URLS: 'http://a' })
  t.strictSame(options.workerUrls, [])
  t.equal(options.port, 5)
})

t.test('a switch, on and off: the last one counts', async t => {
  t.equal((await load(['--access-log'])).options.accessLog, true)
  t.equal((await load(['--no-access-log'], { VLLM_ROUTER_ACCESS_LOG: 'yes' })).options.accessLog, false)
  t.equal((await load(['--no-access-log', '--access-log'])).options.accessLog, true)
})

t.test('of a single value the last one counts, whatever its alias', async t => {
  t.equal((await load(['--eviction-interval', '3', '--eviction-interval-secs=4'])).options.evictionInterval, 4)
  t.equal((await load(['--eviction-interval-secs=4', '--eviction-interval', '3'])).options.evictionInterval, 3)
  t.equal((await load(['--runtime', 'vllm'])).given.backend?.as, '--runtime')
})

t.test('a value that looks like a flag is given with =', async t => {
  t.equal((await load(['--api-key=-x=y'])).options.apiKey, '-x=y')
})

t.test('help, version and the simulator are commands, whatever else is said', async t => {
  t.match(await loadOptions(['--port', 'x', '--nonsense', '--help'], {}, '/'), { command: 'help', text: /--worker-urls/ })
  t.match(await loadOptions(['-h'], {}, '/'), { command: 'help' })
  t.strictSame(await loadOptions(['--version'], {}, '/'), { command: 'version' })
  t.strictSame(await loadOptions(['-V'], {}, '/'), { command: 'version' })
  t.strictSame(await loadOptions(['simulator', '--port', '9', '--its-own', '--help'], {}, '/'),
    { command: 'simulator', argv: ['--port', '9', '--its-own', '--help'] })
})
