// The options of one start of the router: flag over environment over config file over default.
import { resolve } from 'node:path'
import { completeOptions, optionSpecs, routerSpecs, type RouterOptions } from '../options.ts'
import { checkTogether } from './check.ts'
import { coerce } from './coerce.ts'
import { type Environment, readEnvironment } from './environment.ts'
import { readConfigFile } from './file.ts'
import { helpText, parseFlags, type ProgramAbout } from './flags.ts'
import { camelCase, flagName, type GivenOption, type OptionOrigin, type OptionSpec, type OptionValue } from './spec.ts'

/** Where an option's value came from. */
export interface OptionSource {
  readonly origin: OptionOrigin
  /** The name it was given by: `--port`, `VLLM_ROUTER_PORT`, `port in router.yaml`. */
  readonly as: string
}

/** What a command line asks for. */
export type LoadedOptions =
  | {
    readonly command: 'serve'
    readonly options: RouterOptions
    /** Options that were given; the others are defaults. */
    readonly given: Readonly<Partial<Record<keyof RouterOptions, OptionSource>>>
    /** For the log, one line each. */
    readonly warnings: readonly string[]
    /** The config file, where there is one. */
    readonly file: string | undefined
  }
  | { readonly command: 'help', readonly text: string }
  | { readonly command: 'version' }
  /** These read the rest of the command line by themselves. */
  | { readonly command: 'simulator' | 'hash-key', readonly argv: readonly string[] }

const about: ProgramAbout = {
  name: 'vllm-router',
  usage: '[options]\n       vllm-router simulator [options]\n       vllm-router hash-key [options]',
  description: 'Routes OpenAI API calls to a fleet of vLLM workers. The second form starts one simulated worker, the third makes a line for --api-keys-file.\n' +
    'A flag counts more than the environment (and .env), that more than the config file, that more than the default.'
}

/**
 * Reads and checks the options of one start. Nothing is printed and nothing ends the process.
 *
 * @param argv without the program's own path: `process.argv.slice(2)`
 * @param environment such as `process.env`
 * @param cwd where `.env` is read and relative paths begin
 * @throws OptionsError with one clear line
 */
export async function loadOptions (argv: readonly string[], environment: Environment, cwd: string): Promise<LoadedOptions> {
  if (argv[0] === 'simulator' || argv[0] === 'hash-key') return { command: argv[0], argv: argv.slice(1) }
  const flags = parseFlags(optionSpecs, argv)
  if (flags.has('help')) return { command: 'help', text: helpText(optionSpecs, about) }
  if (flags.has('version')) return { command: 'version' }

  const { given: variables, warnings } = await readEnvironment(optionSpecs, environment, cwd)
  const config = flags.get('config') ?? variables.get('config')
  const path = config === undefined ? undefined : configPath(config)
  const file = config === undefined || path === undefined ? new Map<string, GivenOption>() : await readConfigFile(optionSpecs, path, config.as, cwd)

  const values: Record<string, OptionValue> = {}
  const given: Record<string, OptionSource> = {}
  for (const spec of routerSpecs) {
    const one = flags.get(spec.name) ?? variables.get(spec.name) ?? file.get(spec.name)
    if (one === undefined) continue
    const key = camelCase(spec.name)
    values[key] = coerce(spec, one.raw, one.as)
    given[key] = { origin: one.origin, as: one.as }
  }
  takeOpenAiKey(values, given, environment)
  const options = completeOptions(values)
  const doubts = checkTogether(options, key => given[key]?.as ?? `${flagName(kebabCase(key))} (default)`)
  return { command: 'serve', options, given, warnings: [...warnings, ...doubts], file: path === undefined ? undefined : resolve(cwd, path) }
}

/** As in the Rust router the credential for workers of a split fleet may stand under OpenAI's own name. */
function takeOpenAiKey (values: Record<string, OptionValue>, given: Record<string, OptionSource>, environment: Environment): void {
  const name = 'OPENAI_API_KEY'
  const raw = environment[name]?.trim() ?? ''
  const spec = optionSpecs.find(one => one.name === 'api-key')
  if (values['vllmPdDisaggregation'] !== true || values['apiKey'] !== undefined || values['apiKeyFile'] !== undefined || raw === '' || spec === undefined) return
  values['apiKey'] = coerce(spec, raw, name)
  given['apiKey'] = { origin: 'environment', as: name }
}

function configPath (config: GivenOption): string {
  const spec: OptionSpec | undefined = optionSpecs.find(one => one.name === 'config')
  return spec === undefined ? '' : String(coerce(spec, config.raw, config.as))
}

function kebabCase (key: string): string {
  return routerSpecs.find(spec => camelCase(spec.name) === key)?.name ?? key
}
