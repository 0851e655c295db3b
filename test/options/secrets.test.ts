// No error or warning shows a secret, wherever it was put and whatever is wrong with it.
import t from 'tap'
import { resolveOptions } from '../../options.ts'
import { load, message, refusal } from './helpers.ts'

t.test('errors', async t => {
  const dir = t.testdir({
    'a.yaml': 'api-key: HUSH HUSH\n',
    'b.yaml': 'api-key: "x" HUSH\n',
    'c.yaml': 'api-key: [HUSH]\n',
    'd.yaml': 'api-key: *HUSH\n',
    'e.yaml': 'api-key: "\\UHUSHHUSH"\n',
    'f.json': '{ "api-key": HUSH HUSH, }}',
    'g.yaml': 'api-keys: HUSH\n'
  })
  const lines = [
    await refusal(['--api-key=HUSH HUSH']),
    await refusal(['--api-key', 'HUSH\u00e9']),
    await refusal(['--api-key', 'x', 'HUSH']),
    await refusal(['--api-key', '-HUSH']),
    await refusal(['--api-key=x', '-HUSH']),
    await refusal(['--api-keyy=HUSH']),
    await refusal(['--api-keyy', 'HUSH']),
    await refusal(['api-key=HUSH']),
    await refusal([], { VLLM_ROUTER_API_KEY: 'HUSH HUSH' }),
    await message(() => resolveOptions({ apiKey: 'HUSH HUSH' })),
    await refusal(['--worker-urls', 'http://me:HUSH@a:1']),
    await refusal(['--worker-urls', 'http://HUSH@a:1@3']),
    await refusal(['--worker-urls', 'http://me:HU/HUSH@a:1']),
    await refusal(['--worker-urls', 'me:HUSH@a:1']),
    await refusal(['--worker-urls', 'http://a:1?key=HUSH']),
    await refusal(['http://me:HUSH@a:1']),
    ...await Promise.all(['a.yaml', 'b.yaml', 'c.yaml', 'd.yaml', 'e.yaml', 'f.json', 'g.yaml'].map(async file => await refusal(['--config', file], {}, dir)))
  ]
  for (const line of lines) t.notMatch(line, /HUSH/, line)
  t.match(lines[0], /^--api-key takes visible ASCII characters without spaces, not the value given$/)
  t.match(lines[10], /not "http:\/\/…@a:1" \(a URL must not hold credentials: use the option api-key\)$/)
})

t.test('warnings', async t => {
  const { warnings } = await load([], { VLLM_ROUTER_API_KEYS: 'HUSH' })
  t.strictSame(warnings, ['ignored VLLM_ROUTER_API_KEYS: no option has this name (did you mean VLLM_ROUTER_API_KEY?)'])
})
