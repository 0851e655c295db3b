// Options from `VLLM_ROUTER_*` variables and the `.env` file of the working directory, read with @fastify/env.
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import Fastify from 'fastify'
import { OptionsError } from './coerce.ts'
import { comesFrom, environmentPrefix, type GivenOptions, type OptionSpec, variablesOf } from './spec.ts'
import { suggest } from './suggest.ts'

/** The variables of an environment, such as `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the environment; a variable that is set there counts more than the same one in `.env`, and an empty one counts as unset.
 *
 * @returns what is given, and warnings about variables that look like options and are none
 */
export async function readEnvironment (
  specs: readonly OptionSpec[], environment: Environment, cwd: string
): Promise<{ given: GivenOptions, warnings: string[] }> {
  const names = new Map(specs.filter(spec => comesFrom(spec, 'environment')).flatMap(spec =>
    variablesOf(spec).map(name => [name, spec] as const)))
  const data: Record<string, string> = {}
  const ofKubernetes: string[] = []
  for (const [name, value] of Object.entries(environment)) {
    if (!(name.startsWith(environmentPrefix) || names.has(name)) || value === undefined || value.trim() === '') continue
    if (isServiceVariable(name, value, names.get(name))) ofKubernetes.push(name)
    else data[name] = value
  }

  const warnings: string[] = []
  if (ofKubernetes.length > 0) {
    warnings.push(`ignored ${ofKubernetes.sort().join(', ')}: Kubernetes sets such variables for a Service, they are not options; ` +
      'enableServiceLinks: false in the pod leaves them out')
  }
  const given: GivenOptions = new Map()
  for (const [as, raw] of Object.entries(await merge(names, data, cwd))) {
    if (raw.trim() === '') continue
    const spec = names.get(as)
    if (spec === undefined) {
      warnings.push(`ignored ${as}: no option has this name${suggest(bare(as), prefixed(names).map(bare), environmentPrefix)}`)
      continue
    }
    const other = given.get(spec.name)
    if (other !== undefined) throw new OptionsError(`${as} and ${other.as} are the same option, give only one of them`)
    given.set(spec.name, { origin: 'environment', as, raw })
  }
  return { given, warnings }
}

/**
 * The given variables over those of `.env`. All are texts to the schema: `coerce` reads them, so that values are checked in one
 * place. What neither begins with the router's prefix nor is an option's variable is dropped.
 */
async function merge (names: ReadonlyMap<string, OptionSpec>, data: Record<string, string>, cwd: string): Promise<Record<string, string>> {
  const path = join(cwd, '.env')
  // nearly always: what it takes to check a schema is a tenth of the time to start
  if (await isAbsent(path)) return data
  const { default: fastifyEnv } = await import('@fastify/env')
  const text = { type: 'string' }
  const schema = {
    type: 'object',
    properties: Object.fromEntries([...names.keys()].map(name => [name, text])),
    patternProperties: { [`^${environmentPrefix}(?!(${prefixed(names).map(bare).join('|')})$)`]: text }
  }
  const app = Fastify()
  try {
    await app.register(fastifyEnv, { schema, data, env: false, dotenv: { path } })
    return app.getEnvs<Record<string, string>>()
  } catch (error) {
    throw new OptionsError(`.env in ${cwd} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  } finally {
    await app.close()
  }
}

async function isAbsent (path: string): Promise<boolean> {
  try {
    await access(path)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
  }
}

function prefixed (names: ReadonlyMap<string, OptionSpec>): string[] {
  return [...names.keys()].filter(name => name.startsWith(environmentPrefix))
}

/** `VLLM_ROUTER_PORT` → `PORT`. */
function bare (name: string): string {
  return name.slice(environmentPrefix.length)
}

/**
 * Kubernetes tells pods of every Service by variables made from its name. Those of a Service named vllm-router begin like
 * ours, and one, `VLLM_ROUTER_PORT=tcp://10.0.0.1:30000`, is even the name of an option.
 */
function isServiceVariable (name: string, value: string, spec: OptionSpec | undefined): boolean {
  if (spec !== undefined) return spec.type === 'integer' && /^(tcp|udp|sctp):\/\//i.test(value.trim())
  return /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/.test(name) ||
    (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//i.test(value.trim()))
}
