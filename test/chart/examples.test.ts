// The chart's examples fit its schema, and their options are options of the router.
import { readFileSync, readdirSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { resolveOptions, routerSpecs } from '../../options.ts'
import { camelCase } from '../../options/spec.ts'
import { schemaFile } from '../../scripts/chart/files.ts'
import { validator } from './validator.ts'

const known = new Set(routerSpecs.map(spec => camelCase(spec.name)))

for (const name of readdirSync('chart/examples')) {
  t.test(name, async t => {
    const values = parse(readFileSync(`chart/examples/${name}`, 'utf8')) as { options: Record<string, unknown> }
    const check = await validator(JSON.parse(schemaFile(routerSpecs)))
    t.same(check(values), [])
    t.doesNotThrow(() => resolveOptions(values.options))
    for (const key of Object.keys(values.options)) t.ok(known.has(key), key)
  })
}
