// Options for embedders: the same defaults and checks, typed by the table, without the libraries of the command line.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { defaultOptions, resolveOptions, type RouterOptions } from '../../options.ts'
import { message } from './helpers.ts'

t.test('nothing given is the defaults', async t => {
  t.strictSame(resolveOptions({}), defaultOptions)
  const unset: object = { port: undefined }
  t.strictSame(resolveOptions(unset), defaultOptions)
  t.match(defaultOptions, { port: 30000, policy: 'cache_aware', workerUrls: [], apiKey: undefined, cacheThreshold: 0.3, accessLog: false })
  t.ok('apiKey' in defaultOptions, 'every option is a property, also without a value')
  t.notOk('config' in defaultOptions || 'help' in defaultOptions, 'options of the command are not the router\'s')
})

t.test('given values are checked and completed, the caller\'s object is left alone', async t => {
  const workerUrls = ['http://a/']
  const options = resolveOptions({ workerUrls, accessLog: true })
  t.strictSame(options, { ...defaultOptions, workerUrls: ['http://a'], accessLog: true })
  t.strictSame(workerUrls, ['http://a/'])
  t.ok(Object.isFrozen(options) && Object.isFrozen(options.workerUrls) && Object.isFrozen(defaultOptions.requestIdHeaders))
})

t.test('errors name the property', async t => {
  t.equal(await message(() => resolveOptions({ port: 70000 })), 'port takes a whole number from 0 to 65535, not 70000')
  t.equal(await message(() => resolveOptions({ port: NaN })), 'port takes a whole number from 0 to 65535, not NaN')
  const typo: object = { workerUrl: [] }
  t.equal(await message(() => resolveOptions(typo)), 'unknown option workerUrl (did you mean workerUrls?)')
})

t.test('types come from the table', async t => {
  const options: RouterOptions = resolveOptions({ policy: 'random' })
  const policy: 'cache_aware' | 'consistent_hash' | 'least_load' | 'power_of_two' | 'random' | 'rendezvous_hash' | 'round_robin' | 'sticky_least_loaded' | 'sticky_until_saturated' = options.policy
  const urls: readonly string[] = options.workerUrls
  const key: string | undefined = options.apiKey
  t.strictSame([policy, urls, key], ['random', [], undefined])
  // @ts-expect-error not a policy
  t.throws(() => resolveOptions({ policy: 'best' }))
  // @ts-expect-error not a number
  t.throws(() => resolveOptions({ port: true }))
  // @ts-expect-error read only
  t.throws(() => { options.port = 1 }, TypeError)
})

t.test('what an embedder imports needs no package', async t => {
  const seen = new Set<string>()
  const follow = (url: URL): void => {
    if (seen.has(url.href)) return
    seen.add(url.href)
    for (const [, specifier = ''] of readFileSync(url, 'utf8').matchAll(/\bfrom '([^']+)'/g)) {
      if (specifier.startsWith('.')) follow(new URL(specifier, url))
      else t.match(specifier, /^node:/, `${specifier} in ${url.pathname}`)
    }
  }
  follow(new URL('../../options.js', import.meta.url))
  t.ok([...seen].some(href => href.endsWith('/options/coerce.js')))
})
