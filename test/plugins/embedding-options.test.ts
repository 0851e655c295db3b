// Options given in code are checked when the plugin is registered; an error names the option as the code has it.
import Fastify from 'fastify'
import t from 'tap'
import { OptionsError, vllmRouter } from '../../router.ts'
import type { VllmRouterOptions } from '../../router.ts'

const cases: ReadonlyArray<[options: Record<string, unknown>, message: RegExp]> = [
  [{ workerUrl: ['http://a:1'] }, /workerUrl.*did you mean workerUrls/],
  [{ workerUrls: ['ftp://a:1'] }, /^workerUrls takes/],
  [{ maxPayloadSize: 0 }, /^maxPayloadSize takes/],
  [{ healthCheckIntervalSecs: 'often' }, /^healthCheckIntervalSecs takes/],
  [{ policy: 'none_such' }, /^policy takes one of .*cache_aware/],
  [{ policy: {} }, /^policy takes a name or an object/],
  [{ authenticate: 'me' }, /^authenticate takes a function/],
  [{ apiKeyValidationUrls: ['a'] }, /^apiKeyValidationUrls takes/],
  [{ jwksUrl: 'https://a/keys' }, /^jwksUrl is about JWTs, which are accepted only with jwtIssuer$/],
  [{ metricsPath: 'metrics' }, /^metricsPath takes/],
  [{ worker_urls: [] }, /worker_urls/]
]

for (const [options, message] of cases) {
  t.test(JSON.stringify(options), async t => {
    const app = Fastify()
    t.teardown(() => app.close())
    const error: unknown = await Promise.resolve(app.register(vllmRouter, options as VllmRouterOptions)).then(() => undefined, (error: unknown) => error)
    t.ok(error instanceof OptionsError)
    t.match(error, { message })
  })
}

t.test('the caller\'s object stays as it was', async t => {
  const options: VllmRouterOptions = Object.freeze({ workerUrls: Object.freeze(['http://127.0.0.1:9']), policy: 'random' as const })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(vllmRouter, options)
  t.same((await app.inject('/list_workers')).json(), { urls: ['http://127.0.0.1:9'] })
})
