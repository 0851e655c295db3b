// The one table of every option: flags, environment names, config file, docs and the type RouterOptions are all made from it.
import { checkTogether } from './options/check.ts'
import { OptionsError, coerce } from './options/coerce.ts'
import { camelCase, type CamelCase, type OptionSpec, type OptionValue } from './options/spec.ts'
import { suggest } from './options/suggest.ts'
import { optionTable } from './options/table.ts'

export { optionTable } from './options/table.ts'

export { OptionsError } from './options/coerce.ts'
export type { OptionSpec, OptionValue } from './options/spec.ts'

type Row = (typeof optionTable)[number]
type RouterRow = Exclude<Row, { readonly origins: unknown }>
type Typed<Spec> =
  Spec extends { readonly type: 'choice', readonly choices: readonly (infer Choice)[] } ? Choice
    : Spec extends { readonly type: 'integer' | 'number' } ? number
      : Spec extends { readonly type: 'switch' } ? boolean
        : Spec extends { readonly type: 'list' } ? readonly string[]
          : string

/** Every option of the router with its value, by camelCase name. */
export type RouterOptions = {
  readonly [Spec in RouterRow as CamelCase<Spec['name']>]: Typed<Spec> | (Spec['default'] extends undefined ? undefined : never)
}

/** The rows of the table, seen alike. */
export const optionSpecs: readonly OptionSpec[] = optionTable

/** The rows that are part of `RouterOptions`. */
export const routerSpecs: readonly OptionSpec[] = optionSpecs.filter(spec => spec.origins === undefined)

/** What holds where nothing is given. */
export const defaultOptions: RouterOptions = Object.freeze(Object.fromEntries(
  routerSpecs.map(spec => [camelCase(spec.name), Array.isArray(spec.default) ? Object.freeze([...spec.default]) : spec.default])
)) as RouterOptions

/** Defaults with the given, already checked values over them. */
export function completeOptions (values: Readonly<Record<string, OptionValue>>): RouterOptions {
  return Object.freeze({ ...defaultOptions, ...values })
}

/**
 * Options for whoever embeds the router: the given ones checked as on the command line, defaults for the rest. A name that is
 * `undefined` counts as not given.
 */
export function resolveOptions (partial: Partial<RouterOptions>): RouterOptions {
  const byKey = new Map(routerSpecs.map(spec => [camelCase(spec.name), spec]))
  const values: Record<string, OptionValue> = {}
  for (const [key, raw] of Object.entries(partial)) {
    const spec = byKey.get(key)
    if (spec === undefined) throw new OptionsError(`unknown option ${key}${suggest(key, [...byKey.keys()])}`)
    if (raw !== undefined) values[key] = coerce(spec, raw, key)
  }
  const options = completeOptions(values)
  checkTogether(options, key => key in values ? key : `${key} (default)`)
  return options
}
