// --api-key-validation-urls in all the forms that the Rust router's users have it in.
import t from 'tap'
import { resolveOptions } from '../../options.ts'
import { load, message, refusal } from './helpers.ts'

const [a, b, c] = ['http://a/check', 'https://b:8443/v1/me?x=1', 'https://c/']

t.test('several after one flag, or with commas, or both', async t => {
  for (const argv of [['--api-key-validation-urls', a, b, c], [`--api-key-validation-urls=${a},${b},${c}`], ['--api-key-validation-urls', `${a}, ${b}`, c], ['--api-key-validation-urls', a, '--api-key-validation-urls', `${b},${c}`]]) {
    t.strictSame((await load(argv)).options.apiKeyValidationUrls, [a, b, c], argv.join(' '))
  }
  t.strictSame(resolveOptions({ apiKeyValidationUrls: [`${a},${b}`, c] }).apiKeyValidationUrls, [a, b, c])
})

t.test('the bare name in the environment, and in .env', async t => {
  t.strictSame((await load([], { API_KEY_VALIDATION_URLS: `${a},${b}` })).options.apiKeyValidationUrls, [a, b])
  t.strictSame((await load([], { VLLM_ROUTER_API_KEY_VALIDATION_URLS: `${a},${b}` })).options.apiKeyValidationUrls, [a, b])
  const dir = t.testdir({ '.env': `API_KEY_VALIDATION_URLS=${a}, ${b}\nAPI_KEY=1\nPORT=1\n` })
  const loaded = await load([], {}, dir)
  t.strictSame(loaded.options.apiKeyValidationUrls, [a, b])
  t.strictSame(loaded.warnings, [])
  t.strictSame((await load([], { API_KEY_VALIDATION_URLS: c }, dir)).options.apiKeyValidationUrls, [c], 'a variable that is really set counts more')
  t.strictSame((await load(['--api-key-validation-urls', a], { API_KEY_VALIDATION_URLS: c })).options.apiKeyValidationUrls, [a])
  t.strictSame((await load([], { API_KEY_VALIDATION_URLS: ' ' })).options.apiKeyValidationUrls, [])
  t.match(await refusal([], { API_KEY_VALIDATION_URLS: a, VLLM_ROUTER_API_KEY_VALIDATION_URLS: b }), /are the same option, give only one of them$/)
  t.match(await refusal([], { API_KEY_VALIDATION_URLS: 'a' }), /^API_KEY_VALIDATION_URLS takes http:\/\/ or https:\/\/ URLs, not "a"/)
})

t.test('what is no URL, or holds a secret', async t => {
  for (const bad of ['a', 'ftp://a', 'http://', 'http://a b', 'https://a/#x', '/check']) t.match(await refusal([`--api-key-validation-urls=${bad}`]), /^--api-key-validation-urls takes http:\/\/ or https:\/\/ URLs, not /, bad)
  const line = await message(() => resolveOptions({ apiKeyValidationUrls: ['https://me:HUSH@a/?key=HUSH'] }))
  t.match(line, /a URL must not hold credentials/)
  t.notMatch(line, /HUSH/)
})
