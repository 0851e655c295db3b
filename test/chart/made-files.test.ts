// The chart's made files are what scripts/chart makes, and its versions are those of the package.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { chartFiles } from '../../scripts/chart/files.ts'
import { isGroup } from '../../scripts/chart/value.ts'
import type { Value, ValueGroup } from '../../scripts/chart/value.ts'
import { values } from '../../scripts/chart/values.ts'

const read = (path: string): string => readFileSync(path, 'utf8')

t.test('npm run chart:files has been run', async t => {
  for (const [path, content] of chartFiles(read)) t.ok(read(path) === content, path)
})

t.test('values.yaml has the defaults of the table', async t => {
  const defaults = (one: Value | ValueGroup): unknown =>
    isGroup(one) ? Object.fromEntries(Object.entries(one.values).map(([name, inner]) => [name, defaults(inner)])) : one.default
  t.same(parse(read('chart/values.yaml')), defaults({ help: '', values }))
})

t.test('every value that a template reads exists, and every value is read', async t => {
  const templates = ['chart/templates', 'chart/templates/tests'].flatMap(folder => readdirSync(folder).filter(name => /\.(yaml|tpl|txt)$/.test(name)).map(name => read(`${folder}/${name}`))).join('\n')
  for (const [, path = ''] of templates.matchAll(/\.Values\.([\w.]+)/g)) {
    let at: Value | ValueGroup | undefined = { help: '', values }
    for (const name of path.split('.')) {
      if (at === undefined || !isGroup(at)) break
      at = at.values[name]
    }
    t.ok(at !== undefined, `.Values.${path}`)
  }
  const used = (one: Value | ValueGroup, path: string): void => {
    const name = path.split('.').at(-1) ?? ''
    t.ok(new RegExp(`\\.${name}\\b|"${name}"`).test(templates), `${path} is read`)
    const whole = templates.includes(`toYaml .Values.${path} `)
    if (isGroup(one) && !whole) for (const [inner, value] of Object.entries(one.values)) used(value, `${path}.${inner}`)
  }
  for (const [name, one] of Object.entries(values)) used(one, name)
})

t.test('versions', async t => {
  const { version } = JSON.parse(read('package.json')) as { version: string }
  const chart = parse(read('chart/Chart.yaml')) as { version: string, appVersion: string }
  t.equal(chart.version, version)
  t.equal(chart.appVersion, version)
})

t.test('examples are listed in the README', async t => {
  const listed = [...read('chart/README.md').matchAll(/\(examples\/([\w-]+\.yaml)\)/g)].map(([, name]) => name)
  t.same(listed.sort(), readdirSync('chart/examples').sort())
  for (const [, target = ''] of read('chart/README.md').matchAll(/\]\(([^)\s#]+)/g)) if (!/^https?:/.test(target)) t.ok(existsSync(`chart/${target}`), target)
})
