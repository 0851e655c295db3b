// docs/options.md says what the table says.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { optionSpecs } from '../../options.ts'
import { optionsPage } from '../../options/docs.ts'
import { environmentName } from '../../options/spec.ts'

t.test('the page is up to date (scripts/options-docs writes it)', async t => {
  t.equal(readFileSync('docs/options.md', 'utf8'), optionsPage())
})

t.test('every option has one row of five cells under its group', async t => {
  const page = optionsPage()
  for (const spec of optionSpecs) {
    const section = page.split('\n## ').find(text => text.startsWith(`${spec.group}\n`)) ?? ''
    const rows = section.split('\n').filter(row => row.startsWith(`| \`--${spec.name}`) && row.includes(spec.help))
    t.equal(rows.length, 1, spec.name)
    t.equal(rows[0]?.split(/(?<!\\)\|/).length, 7, `${spec.name}: cells`)
    if (spec.origins === undefined) t.match(rows[0], environmentName(spec.name))
  }
})
