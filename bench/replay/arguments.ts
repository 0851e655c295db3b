// What a replay is asked for on its command line, checked.
import { parseArgs } from 'node:util'
import { contender, contenderNames } from './contenders.ts'
import { formatNames } from './formats.ts'
import type { FormatName } from './formats.ts'
import { profiles } from './profiles.ts'
import type { ProfileName } from './profiles.ts'
import { transforms } from './transforms.ts'
import type { TransformName } from './transforms.ts'

/** A checked command line. */
export interface Wanted {
  readonly files: readonly string[]
  readonly format: FormatName
  readonly workers: number
  readonly policies: readonly string[]
  readonly timeScale: number
  readonly profile: ProfileName
  readonly sloTtftMs: number
  readonly sloItlMs: number
  readonly seed: number
  readonly transforms: readonly TransformName[]
  readonly copies: number
  readonly requests: number | undefined
  readonly closedSecs: number
  readonly json: string | undefined
  readonly svg: string | undefined
}

/** A value that will not do; the message names the option. */
export class ArgumentError extends Error {}

export const usage = `npm run replay -- --trace FILE… [options]

  --trace FILE…       traces; more of them without the flag in between
  --format NAME       ${formatNames.join(', ')} (default mooncake; session makes one trace of all files, recorded is what --record-trace wrote)
  --workers N         workers of the fleet (default 16)
  --policies A,B,…    policies, each with settings if need be: cache_aware:cache-threshold=0.5 (default: the router's own)
                      ${contenderNames.join(', ')}
  --time-scale X      how many times as fast the moments of a trace pass; of sessions, how many times as many go on at once (default 1)
  --profile NAME      engine: ${Object.keys(profiles).join(', ')} (default llama-3.1-8b-h100)
  --slo-ttft-ms A     longest time to the first token that is good (default 2000)
  --slo-itl-ms B      longest mean time between two tokens of an answer that is good (default 50)
  --seed S            of every choice by chance (default 1)
  --transform A,B,…   ${Object.keys(transforms).join(', ')}: scenarios made from the traces
  --copies N          so many copies of each trace at once, each with blocks of its own (default 1)
  --requests N        the first N requests only; of sessions, the first N sessions
  --closed-secs N     virtual seconds for which the clients of sessions go on (default 3600)
  --json FILE         the figures, by trace and policy
  --svg FILE          a chart of them
`

const options = {
  trace: { type: 'string', multiple: true },
  format: { type: 'string', default: 'mooncake' },
  workers: { type: 'string', default: '16' },
  policies: { type: 'string', default: contenderNames.filter(name => !name.startsWith('rust_')).join(',') },
  'time-scale': { type: 'string', default: '1' },
  profile: { type: 'string', default: 'llama-3.1-8b-h100' },
  'slo-ttft-ms': { type: 'string', default: '2000' },
  'slo-itl-ms': { type: 'string', default: '50' },
  seed: { type: 'string', default: '1' },
  transform: { type: 'string', default: '' },
  copies: { type: 'string', default: '1' },
  requests: { type: 'string' },
  'closed-secs': { type: 'string', default: '3600' },
  json: { type: 'string' },
  svg: { type: 'string' },
  help: { type: 'boolean', default: false }
} as const

function oneOf<Name extends string> (option: string, names: readonly Name[], given: string): Name {
  const found = names.find(name => name === given)
  if (found === undefined) throw new ArgumentError(`--${option} must be one of ${names.join(', ')}, not ${JSON.stringify(given)}`)
  return found
}

function above (option: string, given: string): number {
  const value = given.trim() === '' ? NaN : Number(given)
  if (!(value > 0 && value < Infinity)) throw new ArgumentError(`--${option} must be a number greater than 0, not ${JSON.stringify(given)}`)
  return value
}

function whole (option: string, least: number, most: number, given: string): number {
  const value = given.trim() === '' ? NaN : Number(given)
  if (!Number.isSafeInteger(value) || value < least || value > most) throw new ArgumentError(`--${option} must be a whole number from ${least} to ${most}, not ${JSON.stringify(given)}`)
  return value
}

function named (error: unknown, option: string): never {
  throw new ArgumentError(`--${option}: ${error instanceof Error ? error.message : String(error)}`)
}

/**
 * Reads a command line; undefined when it asks for help.
 * @throws ArgumentError
 */
export function readArguments (args: readonly string[]): Wanted | undefined {
  let parsed
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true })
  } catch (error) {
    throw new ArgumentError(error instanceof Error ? error.message : String(error))
  }
  const { values, positionals } = parsed
  if (values.help) return undefined
  const files = [...values.trace ?? [], ...positionals]
  if (files.length === 0) throw new ArgumentError('--trace: name at least one file')
  const policies = values.policies.split(',').filter(name => name !== '')
  if (policies.length === 0) throw new ArgumentError('--policies: name at least one policy')
  for (const policy of policies) {
    try {
      contender(policy)
    } catch (error) {
      named(error, 'policies')
    }
  }
  return {
    files,
    policies,
    format: oneOf('format', formatNames, values.format),
    workers: whole('workers', 1, 10_000, values.workers),
    timeScale: above('time-scale', values['time-scale']),
    profile: oneOf('profile', Object.keys(profiles) as ProfileName[], values.profile),
    sloTtftMs: above('slo-ttft-ms', values['slo-ttft-ms']),
    sloItlMs: above('slo-itl-ms', values['slo-itl-ms']),
    seed: whole('seed', 0, 2 ** 32 - 1, values.seed),
    transforms: values.transform.split(',').filter(name => name !== '').map(name => oneOf('transform', Object.keys(transforms) as TransformName[], name)),
    copies: whole('copies', 1, 1000, values.copies),
    requests: values.requests === undefined ? undefined : whole('requests', 1, 2 ** 31, values.requests),
    closedSecs: above('closed-secs', values['closed-secs']),
    json: values.json,
    svg: values.svg
  }
}
