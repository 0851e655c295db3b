// Whatever value an option has, it comes out the same from flags, environment, both kinds of file and an embedder.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { stringify } from 'yaml'
import { defaultOptions, resolveOptions, routerSpecs } from '../../options.ts'
import { anyValue, asEnvironment, asFlags, asKeys, compatible, load, others, type Values } from './helpers.ts'

const dir = t.testdir()

async function everyWay (values: Values): Promise<Record<string, unknown>> {
  writeFileSync(join(dir, 'a.yaml'), stringify(values))
  writeFileSync(join(dir, 'a.json'), JSON.stringify(asKeys(values), null, '\t'))
  return {
    flags: (await load(asFlags(values))).options,
    environment: (await load([], asEnvironment(values))).options,
    yaml: (await load(['--config', 'a.yaml'], {}, dir)).options,
    json: (await load([], { VLLM_ROUTER_CONFIG: 'a.json' }, dir)).options,
    embedder: resolveOptions(asKeys(values))
  }
}

t.test('a value that is not the default, for every option', async t => {
  t.equal(Object.keys(others).length, Object.keys(defaultOptions).length)
  for (const spec of routerSpecs) {
    if (spec.type !== 'choice' || spec.choices.length > 1) t.notSame(others[spec.name], spec.default, spec.name)
  }
  const { 'api-key': _, ...withFile } = others
  for (const values of [compatible(others), withFile]) {
    for (const [way, options] of Object.entries(await everyWay(values))) t.strictSame(options, { ...defaultOptions, ...asKeys(values) }, way)
  }
  t.equal(new Set([...Object.keys(compatible(others)), ...Object.keys(withFile)]).size, Object.keys(defaultOptions).length)
})

t.test('any values of any options, defaults for the rest', async t => {
  const some = fc.record(Object.fromEntries(routerSpecs.map(spec => [spec.name, anyValue(spec)])), { requiredKeys: [] })
    .filter(values => values['jwt-issuer'] !== undefined ? values['jwks-url'] !== undefined : ['jwks-url', 'jwt-audience', 'jwt-models-claim'].every(name => values[name] === undefined))
    .filter(values => values['service-discovery'] !== true || complete(values))
    // an empty list cannot be said in the environment: empty is unset there
    .filter(values => !Object.values(values).some(value => Array.isArray(value) && value.length === 0))
  await fc.assert(fc.asyncProperty(some, async drawn => {
    const values = compatible(Object.fromEntries(Object.entries(drawn).flatMap(([name, value]) => value === undefined ? [] : [[name, value]])))
    const expected = { ...defaultOptions, ...asKeys(values) }
    for (const [way, options] of Object.entries(await everyWay(values))) {
      if (!t.strictSame(options, expected, way)) throw new Error(`differs by ${way}`)
    }
  }), { numRuns: 25 })
})

/** Discovery knows what to look for. */
function complete (values: Readonly<Partial<Values>>): boolean {
  const given = (...names: string[]): boolean => names.some(name => Array.isArray(values[name]) && values[name].length > 0)
  return (values['service-discovery-mode'] ?? 'pods') === 'pods' ? given('selector', 'prefill-selector', 'decode-selector') : given('service-name')
}
