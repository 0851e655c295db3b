// The chart's files that are made and not written: values.yaml, values.schema.json, the list of options for the templates, the README's table.
import { stringify } from 'yaml'
import { optionFacts, optionsSchema, secretsSchema } from './options.ts'
import { dashboard } from './dashboard.ts'
import { routerSpecs } from '../../options.ts'
import type { OptionSpec } from '../../options/spec.ts'
import { closed, isGroup } from './value.ts'
import type { Schema, Values } from './value.ts'
import { values } from './values.ts'

const made = 'Made by scripts/chart-files.ts (npm run chart:files). Change it there.'

/** chart/values.yaml. */
export function valuesFile (): string {
  const lines = [`# ${made}`, '']
  for (const [name, one] of Object.entries(values)) lines.push(...valueLines({ [name]: one }, ''), '')
  return lines.join('\n')
}

function valueLines (some: Values, indent: string): string[] {
  return Object.entries(some).flatMap(([name, one]) => {
    const comment = wrap(one.help, 130 - indent.length).map(line => `${indent}# ${line}`)
    if (isGroup(one)) return [...comment, `${indent}${name}:`, ...valueLines(one.values, indent + '  ')]
    const yaml = stringify({ [name]: one.default }, { lineWidth: 0, version: '1.1' }).trimEnd().split('\n')
    return [...comment, ...yaml.map(line => indent + line)]
  })
}

function wrap (text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** chart/values.schema.json. `specs` are the router's options. */
export function schemaFile (specs: readonly OptionSpec[] = routerSpecs): string {
  const { properties } = groupSchema(values) as { properties: Record<string, Schema> }
  const schema = {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Values of the chart fastify-vllm-router',
    $comment: made,
    ...closed({
      ...properties,
      options: { description: values['options']?.help, ...optionsSchema(specs) },
      secrets: { description: values['secrets']?.help, ...secretsSchema(specs) },
      // Helm adds it where the chart is part of another
      global: { type: 'object' }
    })
  }
  return JSON.stringify(schema, undefined, 2) + '\n'
}

function groupSchema (some: Values): Schema {
  return closed(Object.fromEntries(Object.entries(some).map(([name, one]) =>
    [name, { description: one.help, ...(isGroup(one) ? groupSchema(one.values) : one.schema) }])))
}

/** The table of every value, for chart/README.md. */
export function valuesTable (): string {
  const rows = (some: Values, path: string): string[] => Object.entries(some).flatMap(([name, one]) => {
    if (isGroup(one)) return [`| \`${path}${name}\` | | **${one.help}** |`, ...rows(one.values, `${path}${name}.`)]
    return [`| \`${path}${name}\` | \`${JSON.stringify(one.default)}\` | ${one.help} |`]
  })
  return ['| Value | Default | Meaning |', '|---|---|---|', ...rows(values, '')].join('\n')
}

const marks = { from: '<!-- values, made by scripts/chart-files.ts -->', to: '<!-- end of values -->' }

/** chart/README.md with its table renewed. */
export function readmeFile (present: string): string {
  const from = present.indexOf(marks.from)
  const to = present.indexOf(marks.to)
  if (from < 0 || to < from) throw new Error(`chart/README.md has no "${marks.from}" … "${marks.to}"`)
  return present.slice(0, from + marks.from.length) + `\n\n${valuesTable()}\n\n` + present.slice(to)
}

/** Every made file by its path; `read` gives what is in a file now. */
export function chartFiles (read: (path: string) => string): ReadonlyMap<string, string> {
  return new Map([
    ['chart/values.yaml', valuesFile()],
    ['chart/values.schema.json', schemaFile()],
    ['chart/files/options.json', JSON.stringify(optionFacts(), undefined, 2) + '\n'],
    ['chart/dashboards/router.json', JSON.stringify(dashboard(), undefined, 2) + '\n'],
    ['chart/README.md', readmeFile(read('chart/README.md'))]
  ])
}
