// The command line, made from an option table: its flags with commander, and the text of `--help`.
import { Command, Option } from 'commander'
import { OptionsError, allowed, show } from './coerce.ts'
import { comesFrom, environmentName, flagName, type GivenOptions, longNames, type OptionSpec } from './spec.ts'
import { suggest } from './suggest.ts'

/** What `--help` says around the options. */
export interface ProgramAbout {
  readonly name: string
  readonly usage: string
  readonly description: string
}

/**
 * Reads the flags of a command line. Several values of a list follow one flag or repeat it; of any other option the last one
 * counts. Where `--help` or `--version` is asked for, what is wrong beside it is let pass.
 */
export function parseFlags (specs: readonly OptionSpec[], argv: readonly string[]): GivenOptions {
  const given: GivenOptions = new Map()
  const problems: OptionsError[] = []
  const program = createProgram(specs, (spec, as, value) => {
    const take = (raw: unknown): void => { given.set(spec.name, { origin: 'flag', as, raw }) }
    if (spec.type === 'list') {
      const before = given.get(spec.name)?.raw
      take([...(Array.isArray(before) ? before : []), ...(value === null ? [] : [value])])
    } else if (value !== null) take(value)
    else problems.push(new OptionsError(`${as} takes ${allowed(spec)}, and nothing is given (a value that starts with - is written ${as}=VALUE)`))
  })
  const { operands, unknown } = program.parseOptions([...argv])
  if (given.has('help') || given.has('version')) return given
  const [problem = unknownFlag(specs, argv, unknown[0]) ?? unexpected(specs, argv, operands[0])] = problems
  if (problem !== undefined) throw problem
  return given
}

/** The text of `--help`: every option under its group, with its default and its name in the environment. */
export function helpText (specs: readonly OptionSpec[], about: ProgramAbout): string {
  return createProgram(specs).name(about.name).usage(about.usage).description(about.description).helpInformation()
}

type Listener = (spec: OptionSpec, as: string, value: string | boolean | null) => void

/** A commander program of all flags; values are told to `listen` in their order, unread. */
function createProgram (specs: readonly OptionSpec[], listen: Listener = () => {}): Command {
  const program = new Command().helpOption(false).exitOverride()
  program.configureHelp({
    optionTerm: option => option.flags.replace('[', '<').replace(']', '>'),
    formatItem: (term, _, description, helper) => // names are long: side by side would leave too little room
      `  ${term}\n${helper.boxWrap(description, (helper.helpWidth ?? 80) - 8).replace(/^/gm, '        ')}`
  })
  const add = (spec: OptionSpec, flags: string, description?: string): void => {
    const option = new Option(flags, description)
    if (description === undefined) option.hideHelp()
    program.addOption(option.helpGroup(`${spec.group}:`))
    const as = option.long ?? option.short ?? flags
    program.on(`option:${option.name()}`, (value?: string | null) => {
      listen(spec, as, spec.type === 'switch' ? !option.negate : value ?? null)
    })
  }
  for (const spec of specs) {
    const short = spec.aliases?.find(alias => alias.length === 1)
    const [name = spec.name, ...others] = longNames(spec)
    const value = placeholder(spec)
    add(spec, `${short === undefined ? '' : `${flagName(short)}, `}${flagName(name)}${value}`, describe(spec))
    for (const other of others) add(spec, flagName(other) + value)
    if (hasNegation(spec)) add(spec, flagName(`no-${spec.name}`))
  }
  return program
}

/** Commander takes the word that follows as the value unless it looks like a flag; that one is missing is told by null. */
function placeholder (spec: OptionSpec): string {
  if (spec.type === 'switch') return ''
  const word = valueName(spec)
  return spec.type === 'list' ? ` [${word}...]` : ` [${word}]`
}

/** What stands for the value in help and docs. */
export function valueName (spec: OptionSpec): string {
  return spec.placeholder ?? (spec.type === 'integer' || spec.type === 'number' ? 'N' : 'VALUE')
}

/** Whether `--no-…` undoes the switch; nothing but a flag can set the switches of the command itself. */
export function hasNegation (spec: OptionSpec): boolean {
  return spec.type === 'switch' && comesFrom(spec, 'environment')
}

/** The default as `--help` and docs show it; nothing where there is none worth saying. */
export function defaultText (spec: OptionSpec): string {
  if (spec.type === 'list') return spec.default.join(', ')
  return spec.default === undefined || spec.default === false ? '' : String(spec.default)
}

function describe (spec: OptionSpec): string {
  const notes = [
    spec.type === 'choice' ? `choices: ${spec.choices.join(', ')}` : '',
    defaultText(spec) === '' ? '' : `default: ${defaultText(spec)}`,
    comesFrom(spec, 'environment') ? `env: ${[environmentName(spec.name), ...(spec.variables ?? [])].join(', ')}` : '',
    hasNegation(spec) ? `off: ${flagName(`no-${spec.name}`)}` : '',
    longNames(spec).length > 1 ? `also: ${longNames(spec).slice(1).map(flagName).join(', ')}` : ''
  ].filter(note => note !== '')
  return notes.length === 0 ? spec.help : `${spec.help} (${notes.join('; ')})`
}

function unknownFlag (specs: readonly OptionSpec[], argv: readonly string[], token: string | undefined): OptionsError | undefined {
  if (token === undefined) return undefined
  if (!token.startsWith('-')) return unexpected(specs, argv, token)
  const [flag = token] = token.split('=')
  const known = findSpec(specs, flag)
  if (known?.type === 'switch') {
    const forms = hasNegation(known) ? `: ${flagName(known.name)} is on, ${flagName(`no-${known.name}`)} is off` : ''
    return new OptionsError(`${flag} takes no value, not ${show(token.slice(flag.length + 1))}${forms}`)
  }
  const names = specs.flatMap(spec => [...longNames(spec), ...(hasNegation(spec) ? [`no-${spec.name}`] : [])])
  const suggestion = suggest(flag.replace(/^-+/, ''), names, '--')
  return new OptionsError(`unknown option ${shown(specs, argv, token, flag)}${suggestion}; --help lists all options`)
}

function unexpected (specs: readonly OptionSpec[], argv: readonly string[], token: string | undefined): OptionsError | undefined {
  if (token === undefined) return undefined
  const [word = ''] = token.split('=')
  const suggestion = suggest(word, specs.flatMap(longNames), '--')
  return new OptionsError(`unexpected argument ${shown(specs, argv, token, show(word))}${suggestion}; ` +
    'values follow the flag they belong to, and --help lists all options')
}

/** A stray word, unless it comes behind a secret option and may be a piece of the secret. */
function shown (specs: readonly OptionSpec[], argv: readonly string[], token: string, text: string): string {
  const flag = argv.slice(0, argv.indexOf(token)).findLast(word => word.startsWith('--'))
  const [name = ''] = (flag ?? '').split('=')
  return findSpec(specs, name)?.secret === true ? `after ${name} (not shown)` : text
}

function findSpec (specs: readonly OptionSpec[], flag: string): OptionSpec | undefined {
  return specs.find(spec => [spec.name, ...(spec.aliases ?? [])].some(name => flagName(name) === flag) ||
    (hasNegation(spec) && flagName(`no-${spec.name}`) === flag))
}
