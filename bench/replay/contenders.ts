// The policies a replay can play, by name and with settings: the router's own, and the Rust router's five.
import { camelCase } from '../../options/spec.ts'
import { optionTable } from '../../options/table.ts'
import { createPolicy, isPolicyName, policyNames } from '../../policies/index.ts'
import { rustCacheAwareDefaults, rustPolicies } from './baselines/index.ts'
import type { PolicyMaker } from './fleet.ts'

/** Every name. */
export const contenderNames: readonly string[] = [...policyNames, ...Object.keys(rustPolicies)]

/** Settings of the router's policies, by their flags' names. */
const settings = new Map<string, string>(optionTable.flatMap(({ name, group, type }) =>
  group === 'Policy' && (type === 'integer' || type === 'number') ? [[name, camelCase(name)] as const] : []))

/** A name or a setting that nobody knows. */
export class ContenderError extends Error {}

/**
 * The maker of a policy written as `name` or `name:setting=value:setting=value`, with settings as the router's flags for policies are called:
 * `cache_aware:cache-threshold=0.5:balance-abs-threshold=8`.
 * @throws ContenderError
 */
export function contender (text: string): PolicyMaker {
  const [name = '', ...given] = text.split(':')
  const options: Record<string, number> = {}
  const rust = Object.hasOwn(rustPolicies, name) ? rustPolicies[name] : undefined
  for (const setting of given) {
    const [flag = '', value = ''] = setting.split('=')
    const option = settings.get(flag)
    if (option === undefined) throw new ContenderError(`${text}: there is no setting ${flag}; there are ${[...settings.keys()].join(', ')}`)
    if (rust !== undefined && !(option in rustCacheAwareDefaults)) throw new ContenderError(`${text}: ${name} has no setting ${flag}`)
    if (value === '' || !Number.isFinite(Number(value))) throw new ContenderError(`${text}: ${flag} must be a number, not ${JSON.stringify(value)}`)
    options[option] = Number(value)
  }
  if (rust !== undefined) return context => rust(context, options)
  if (!isPolicyName(name)) throw new ContenderError(`${name} is unknown; there are ${contenderNames.join(', ')}`)
  return context => createPolicy(name, options, context)
}
