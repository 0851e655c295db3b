// Ways to give an option, and values for every row of the table, for the tests of options.
import fc from 'fast-check'
import { OptionsError, routerSpecs, type OptionSpec, type OptionValue } from '../../options.ts'
import type { Environment } from '../../options/environment.ts'
import { loadOptions, type LoadedOptions } from '../../options/load.ts'
import { camelCase, environmentName, type OptionFormat } from '../../options/spec.ts'

/** Values by kebab-case name. */
export type Values = Readonly<Record<string, OptionValue>>

/** Loads options to serve with; anything else fails the test. */
export async function load (
  argv: readonly string[], environment: Environment = {}, cwd = '/nonexistent'
): Promise<LoadedOptions & { command: 'serve' }> {
  const loaded = await loadOptions(argv, environment, cwd)
  if (loaded.command !== 'serve') throw new Error(`not to serve but ${loaded.command}`)
  return loaded
}

/** The message of the OptionsError that loading ends with. */
export async function refusal (argv: readonly string[], environment: Environment = {}, cwd = '/nonexistent'): Promise<string> {
  return await message(async () => await load(argv, environment, cwd))
}

/** The message of the OptionsError that `act` throws. */
export async function message (act: () => unknown): Promise<string> {
  try {
    await act()
  } catch (error) {
    if (error instanceof OptionsError) return error.message
    throw error
  }
  throw new Error('nothing was thrown')
}

/** Values as flags, a list after its flag. */
export function asFlags (values: Values): string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (typeof value === 'boolean') return [value ? `--${name}` : `--no-${name}`]
    return typeof value === 'object' ? [`--${name}`, ...value] : [`--${name}=${value}`]
  })
}

/** Values as environment variables. */
export function asEnvironment (values: Values): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [environmentName(name), String(value)]))
}

/** Values by camelCase name. */
export function asKeys (values: Values): Record<string, OptionValue> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [camelCase(name), value]))
}

/** One value for every option, none of them its default (where another is allowed). */
export const others: Values = Object.fromEntries(routerSpecs.map(spec => [spec.name, other(spec)]))

/** Values without those that cannot be given together, or not without another. */
export function compatible (values: Values): Values {
  const kept = { ...values }
  if ('api-key' in kept) delete kept['api-key-file']
  for (const [one, needed] of [['tls-cert', 'tls-key'], ['tls-key', 'tls-cert'], ['tls-client-ca', 'tls-cert'], ['worker-client-cert', 'worker-client-key'], ['worker-client-key', 'worker-client-cert'], ['admin-host', 'admin-port']] as const) {
    if (!(needed in kept)) delete kept[one]
  }
  const { port = 30000, 'prometheus-port': metrics = 29000, 'admin-port': admin } = kept
  const { processes = 1, 'max-concurrent-requests': requests = 32_768 } = kept
  if (processes > requests) delete kept['processes']
  if (port === metrics && port !== 0) delete kept['prometheus-port']
  if (admin === port || admin === metrics || admin === 29000) {
    delete kept['admin-port']
    delete kept['admin-host']
  }
  return kept
}

/** Any value an option may have. */
export function anyValue (spec: OptionSpec): fc.Arbitrary<OptionValue> {
  switch (spec.type) {
    case 'switch': return fc.boolean()
    case 'choice': return fc.constantFrom(...spec.choices)
    case 'integer': return fc.maxSafeInteger().map(Math.abs).map(n => (spec.min ?? 0) + n % ((spec.max ?? 2 ** 40) - (spec.min ?? 0) + 1))
    case 'number': return fc.double({ min: spec.min ?? spec.exclusiveMin ?? 0, max: spec.max ?? 1e6, minExcluded: spec.exclusiveMin !== undefined, noNaN: true }).map(n => n + 0)
    case 'list': return fc.uniqueArray(fc.constantFrom(...samples(spec.format)))
    case 'string': return spec.format === 'token' ? fc.stringMatching(/^[\x21-\x7e]{1,30}$/) : fc.constantFrom(...samples(spec.format))
  }
}

function other (spec: OptionSpec): OptionValue {
  switch (spec.type) {
    case 'switch': return !spec.default
    case 'choice': return spec.choices.find(choice => choice !== spec.default) ?? spec.choices.join()
    case 'list': return samples(spec.format)
    case 'string': return samples(spec.format)[0] ?? ''
    default: return spec.max === 1 ? 0.75 : (spec.default ?? 0) + 1
  }
}

function samples (format: OptionFormat | undefined): readonly string[] {
  switch (format) {
    case 'url': return ['http://10.0.0.1:8000', 'https://w.example/base', 'http://[::1]:8000@3']
    case 'prefill-url': return ['http://10.0.0.1:8000 8998', 'https://w.example/base', 'http://[::1]:8000@3 9000']
    case 'service-url': return ['https://auth.example/check?x=1', 'http://10.0.0.1:1/a/', 'https://[::1]/']
    case 'header-name': return ['x-my-id', 'traceparent']
    case 'hostname': return ['0.0.0.0', '::1', 'router.example']
    case 'url-path': return ['/ping', '/v1/health']
    case 'token': return ['s3cret']
    case 'host-port': return ['0.0.0.0:5557', '[::1]:5555', 'router.example:0']
    case 'network': return ['10.0.0.0/8', '192.0.2.7', 'fd00::/8']
    case 'label': return ['app=vllm', 'vllm.ai/role=decode', 'tier=']
    case 'namespace': return ['models', 'team-a']
    case 'service': return ['vllm', 'vllm.models.svc.cluster.local']
    case 'port': return ['http', '8000']
    case 'origin': return ['https://chat.example', 'http://localhost:5173', '*']
    case 'proxy': return ['10.0.0.0/8', '::1', 'loopback', 'true']
    default: return ['logs', '/var/log/my router', './a=b']
  }
}
