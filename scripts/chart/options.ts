// What the chart must know of the router's options: the schema of `options` and `secrets`, and a list for the templates.
import { routerSpecs } from '../../options.ts'
import { camelCase, environmentName } from '../../options/spec.ts'
import type { OptionSpec } from '../../options/spec.ts'
import { reloadable } from '../../server/apply-options.ts'
import { ownOptions } from '../../server/serve.ts'
import { closed } from './value.ts'
import type { Schema } from './value.ts'

/** Forms as a schema can tell them; the router itself checks the rest when it starts. */
const forms: Readonly<Record<string, Schema>> = {
  url: { pattern: '^https?://[^\\s]+$' },
  'service-url': { pattern: '^https?://[^\\s]+$' },
  'url-path': { pattern: '^/[\\x21-\\x7e]*$' },
  'header-name': { pattern: '^[!#$%&\'*+.^_`|~0-9A-Za-z-]+$' },
  'host-port': { pattern: '^.+:[0-9]+$' },
  token: { pattern: '^[\\x21-\\x7e]+$' },
  label: { pattern: '^([a-z0-9][-a-z0-9.]*/)?[A-Za-z0-9][-A-Za-z0-9_.]*=[-A-Za-z0-9_.]*$' },
  namespace: { pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' },
  // a number or a name
  port: { type: ['integer', 'string'], minimum: 1, maximum: 65535, pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' }
}

/** What the chart asks for beyond the table: a Service and a probe need to know their port, and the working directory cannot be written to. */
const stricter: Readonly<Record<string, Schema>> = {
  port: { minimum: 1 },
  'prometheus-port': { minimum: 1 },
  'admin-port': { minimum: 1 },
  'log-dir': { pattern: '^/' }
}

/** Where the secret is to go, as the message that Helm prints: "value must be …". */
export function secretHint (key: string): string {
  return `in a Secret, not in values: name it in secrets.${key} with name and key`
}

/** JSON Schema of one option's value as it stands in `options`. */
export function optionSchema (spec: OptionSpec): Schema {
  const description = spec.help
  if (spec.secret === true) return { description, enum: [secretHint(camelCase(spec.name))] }
  const meaning = { description, ...(spec.default === undefined ? {} : { default: spec.default }) }
  const extra = stricter[spec.name]
  switch (spec.type) {
    case 'switch': return { type: 'boolean', ...meaning }
    case 'choice': return { enum: spec.choices, ...meaning }
    case 'string': return { type: 'string', minLength: 1, ...form(spec.format), ...extra, ...meaning }
    case 'list': return { type: 'array', items: { type: 'string', minLength: 1, ...form(spec.format) }, ...meaning }
    case 'integer':
    case 'number':
      return {
        type: spec.type,
        ...(spec.min === undefined ? {} : { minimum: spec.min }),
        ...(spec.exclusiveMin === undefined ? {} : { exclusiveMinimum: spec.exclusiveMin }),
        // beyond it a number is not whole any more
        ...(spec.max === undefined ? spec.type === 'integer' ? { maximum: Number.MAX_SAFE_INTEGER } : {} : { maximum: spec.max }),
        ...extra,
        ...meaning
      }
  }
}

function form (format: string | undefined): Schema {
  return format === undefined ? {} : forms[format] ?? {}
}

/** JSON Schema of `options`: every option of the router by its camelCase name, and no other. */
export function optionsSchema (specs: readonly OptionSpec[] = routerSpecs): Schema {
  return closed(Object.fromEntries(specs.map(spec => [camelCase(spec.name), optionSchema(spec)])))
}

/** Options that name a file; a folder for logs is none that a Secret could hold. */
function takesFile (spec: OptionSpec): boolean {
  return spec.type === 'string' && spec.format === 'path' && spec.name !== 'log-dir'
}

/** JSON Schema of `secrets`: options that are secrets, or files, from keys of Secrets. */
export function secretsSchema (specs: readonly OptionSpec[] = routerSpecs): Schema {
  const reference = (spec: OptionSpec): Schema => ({
    description: spec.help,
    ...closed({
      name: { type: 'string', minLength: 1, description: 'Name of an existing Secret in the namespace of the release.' },
      key: { type: 'string', minLength: 1, description: 'Key of that Secret.' }
    }, ['name', 'key'])
  })
  return closed(Object.fromEntries(specs.filter(spec => spec.secret === true || takesFile(spec)).map(spec => [camelCase(spec.name), reference(spec)])))
}

/** What templates look up. */
export interface OptionFacts {
  /** Secret options, and the variables that carry them. */
  readonly environment: Readonly<Record<string, string>>
  /** Options that name a file. */
  readonly files: readonly string[]
  /** Options that a running router takes over from its config file. */
  readonly reload: readonly string[]
  /** Defaults that the pod and its Services must agree with. */
  readonly defaults: Readonly<Record<string, unknown>>
}

/** What keeps others out is never left to a reload, of which nobody would see that it did not happen: a change of these replaces the pods. */
const careful: readonly string[] = ['Authentication', 'TLS', 'Admin']

const agreed = ['port', 'prometheus-port', 'drain-delay-secs', 'drain-timeout-secs', 'service-discovery-mode']

/** The content of chart/files/options.json. */
export function optionFacts (specs: readonly OptionSpec[] = routerSpecs): OptionFacts {
  const reloads: readonly string[] = [...reloadable, ...ownOptions]
  const keys = specs.filter(spec => !careful.includes(spec.group)).map(spec => camelCase(spec.name))
  return {
    environment: Object.fromEntries(specs.filter(spec => spec.secret === true).map(spec => [camelCase(spec.name), environmentName(spec.name)])),
    files: specs.filter(takesFile).map(spec => camelCase(spec.name)),
    reload: keys.filter(key => reloads.includes(key)),
    defaults: Object.fromEntries(specs.filter(spec => agreed.includes(spec.name)).map(spec => [camelCase(spec.name), spec.default]))
  }
}
