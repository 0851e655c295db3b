// The chart's schema lets through what the router takes, refuses what it would refuse, and says where secrets belong.
import fc from 'fast-check'
import t from 'tap'
import { OptionsError, resolveOptions, routerSpecs } from '../../options.ts'
import { camelCase } from '../../options/spec.ts'
import type { OptionSpec } from '../../options/spec.ts'
import { optionFacts, optionsSchema, secretsSchema } from '../../scripts/chart/options.ts'
import { schemaFile } from '../../scripts/chart/files.ts'
import { check as holds } from '../openai/property.ts'
import { validator } from './validator.ts'

/** Values that a person might write for an option. */
function values (spec: OptionSpec): fc.Arbitrary<unknown> {
  switch (spec.type) {
    case 'switch': return fc.boolean()
    case 'choice': return fc.oneof(fc.constantFrom(...spec.choices), fc.string())
    case 'integer':
    case 'number': {
      const near = [spec.min, spec.max, spec.exclusiveMin].flatMap(edge => edge === undefined ? [] : [edge - 1, edge, edge + 1, edge + 0.5])
      return fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constantFrom(0, 1, 1.5, -1, ...near))
    }
    default: {
      const texts = fc.oneof(fc.constantFrom('http://a:8000', 'https://b', 'ftp://c', 'a', '/health', 'x-id', 'a b', ''), fc.string())
      return spec.type === 'list' ? fc.array(texts, { maxLength: 3 }) : texts
    }
  }
}

/** Forms that the schema knows exactly; of others it knows an outline, and the router tells the rest when it starts. */
const exact: ReadonlyArray<string | undefined> = ['url-path', 'header-name', 'token', 'namespace', 'port']

const check = await validator(optionsSchema())
const checkSecrets = await validator(secretsSchema())

for (const spec of routerSpecs) {
  const key = camelCase(spec.name)
  t.test(key, async t => {
    if (spec.secret === true) {
      t.match(check({ [key]: 'sk-1' }).join(), new RegExp(`name it in secrets\\.${key} with name and key`))
      t.same(checkSecrets({ [key]: { name: 'a', key: 'b' } }), [])
      t.equal(optionFacts().environment[key], `VLLM_ROUTER_${spec.name.replaceAll('-', '_').toUpperCase()}`)
      return
    }
    if (spec.default !== undefined) t.same(check({ [key]: spec.default }), [], 'the default')
    const precise = (spec.type !== 'string' && spec.type !== 'list') || exact.includes(spec.format)
    holds(t, 'what the schema lets through is taken', fc.property(values(spec), value => {
      if (check({ [key]: value }).length > 0) return
      try {
        resolveOptions({ [key]: value })
      } catch (error) {
        // two options that do not go together are another matter than one that is wrong
        if (error instanceof OptionsError && error.message.startsWith(`${key} takes`) && precise && !error.message.includes('for both')) throw error
      }
    }), 200)
    t.not(check({ [key]: { any: 'mapping' } }).length, 0, 'a mapping is refused')
  })
}

t.test('unknown names are refused and named', async t => {
  const check = await validator(JSON.parse(schemaFile()))
  t.match(check({ options: { retryMaxRetires: 3 } }).join(), /\/options .*retryMaxRetires/)
  t.match(check({ replicas: 3 }).join(), /replicas/)
  t.match(check({ secrets: { policy: { name: 'a', key: 'b' } } }).join(), /\/secrets .*policy/)
  t.match(check({ secrets: { apiKey: { name: 'a' } } }).join(), /\/secrets\/apiKey .*'key'/)
  t.same(check({ global: { any: 1 } }), [], 'what Helm adds in a parent chart')
})

t.test('a port of any number cannot be probed', async t => {
  for (const name of ['port', 'prometheusPort']) {
    t.not(check({ [name]: 0 }).length, 0)
    t.same(check({ [name]: 8080 }), [])
  }
})
