// What one option is, and the forms its name takes in each place it can be given.

/** The longest time a Node timer can hold (2^31 - 1 ms), in seconds. */
export const longest = 2147483

/** A named check of a text beyond its type. */
export type OptionFormat =
  | 'hostname' | 'url' | 'prefill-url' | 'service-url' | 'header-name' | 'path' | 'url-path' | 'token' | 'host-port' | 'network' | 'origin' | 'proxy'
  | 'label' | 'namespace' | 'service' | 'port'

/** Where a value can come from, strongest first. */
export type OptionOrigin = 'flag' | 'environment' | 'file'

/** Headings of `--help` and of docs/options.md. */
export type OptionGroup =
  | 'Server' | 'TLS' | 'Admin' | 'Authentication' | 'Workers' | 'Disaggregation' | 'ZMQ discovery' | 'Kubernetes' | 'Health checks' | 'Retries' | 'Circuit breaker'
  | 'Admission' | 'Policy' | 'Metrics' | 'Logging' | 'Development' | 'Command'

interface CommonSpec {
  /** kebab-case; every other form is made from it. */
  readonly name: string
  readonly group: OptionGroup
  /** One or two sentences: what it means, its unit, why the default. */
  readonly help: string
  /** Other accepted names; a single letter is a short flag. */
  readonly aliases?: readonly string[]
  /** Further variables of the environment, as they are written. */
  readonly variables?: readonly string[]
  /** Stands for the value in `--help`. */
  readonly placeholder?: string
  /** The value is never printed. */
  readonly secret?: true
  /** Default: all of them. An option with its own list is about starting the command and no part of `RouterOptions`. */
  readonly origins?: readonly OptionOrigin[]
}

interface TextSpec extends CommonSpec {
  readonly type: 'string'
  readonly default: string | undefined
  readonly format?: OptionFormat
}

interface NumberSpec extends CommonSpec {
  readonly type: 'integer' | 'number'
  readonly default: number | undefined
  readonly min?: number
  readonly max?: number
  readonly exclusiveMin?: number
}

interface SwitchSpec extends CommonSpec {
  readonly type: 'switch'
  readonly default: boolean
}

interface ListSpec extends CommonSpec {
  readonly type: 'list'
  readonly default: readonly string[]
  /** Of each item. */
  readonly format?: OptionFormat
  /** Also an item of a flag or an array is split at commas. */
  readonly splits?: true
}

interface ChoiceSpec extends CommonSpec {
  readonly type: 'choice'
  readonly choices: readonly string[]
  readonly default: string | undefined
}

/** One row of an option table. */
export type OptionSpec = TextSpec | NumberSpec | SwitchSpec | ListSpec | ChoiceSpec

/** A checked value. */
export type OptionValue = string | number | boolean | readonly string[]

/** A value as somebody gave it, not checked yet. */
export interface GivenOption {
  readonly origin: OptionOrigin
  /** The option's name as that person wrote it: `--port`, `VLLM_ROUTER_PORT`, `port in router.yaml`. */
  readonly as: string
  readonly raw: unknown
}

/** Given values by the option's kebab-case name. */
export type GivenOptions = Map<string, GivenOption>

/** `worker-urls` → `workerUrls`. */
export type CamelCase<Name extends string> =
  Name extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<CamelCase<Tail>>}` : Name

/** `worker-urls` → `workerUrls`. */
export function camelCase (name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

/** What the name of every environment variable of the router begins with. */
export const environmentPrefix = 'VLLM_ROUTER_'

/** `worker-urls` → `VLLM_ROUTER_WORKER_URLS`. */
export function environmentName (name: string): string {
  return environmentPrefix + name.replaceAll('-', '_').toUpperCase()
}

/** Every variable of the environment that gives an option. */
export function variablesOf (spec: OptionSpec): string[] {
  return [...longNames(spec).map(environmentName), ...(spec.variables ?? [])]
}

/** `worker-urls` → `--worker-urls`; one letter is a short flag. */
export function flagName (name: string): string {
  return (name.length === 1 ? '-' : '--') + name
}

/** Whether a value may come from there. */
export function comesFrom (spec: OptionSpec, origin: OptionOrigin): boolean {
  return spec.origins === undefined || spec.origins.includes(origin)
}

/** The name and its aliases, short flags left out. */
export function longNames (spec: OptionSpec): string[] {
  return [spec.name, ...(spec.aliases ?? []).filter(alias => alias.length > 1)]
}
