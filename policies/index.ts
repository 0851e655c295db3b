// Every policy by name, and what one needs to write another.
import type { BoundedLoadOptions } from './bounded-load.ts'
import { cacheAware } from './cache-aware.ts'
import type { CacheAwareOptions } from './cache-aware.ts'
import { consistentHash } from './consistent-hash.ts'
import { leastLoad } from './least-load.ts'
import type { Policy, PolicyContext } from './policy.ts'
import { powerOfTwo } from './power-of-two.ts'
import { random } from './random.ts'
import { rendezvousHash } from './rendezvous-hash.ts'
import { roundRobin } from './round-robin.ts'
import type { KeyOptions } from './routing-key.ts'
import { stickyLeastLoaded } from './sticky-least-loaded.ts'
import type { StickyLeastLoadedOptions } from './sticky-least-loaded.ts'
import { stickyUntilSaturated } from './sticky-until-saturated.ts'

/** Options of all policies together; each takes those it knows. */
export interface PolicyOptions extends CacheAwareOptions, KeyOptions, BoundedLoadOptions, StickyLeastLoadedOptions {}

/** Makes a policy of its own state. */
export type PolicyFactory = (context: PolicyContext, options: PolicyOptions) => Policy

const factories = {
  cache_aware: cacheAware,
  consistent_hash: consistentHash,
  least_load: leastLoad,
  power_of_two: powerOfTwo,
  random,
  rendezvous_hash: rendezvousHash,
  round_robin: roundRobin,
  sticky_least_loaded: stickyLeastLoaded,
  sticky_until_saturated: stickyUntilSaturated
} as const satisfies Record<string, PolicyFactory>

/** A name that `createPolicy` knows. */
export type PolicyName = keyof typeof factories

/** Every name that `createPolicy` knows, in alphabetical order. */
export const policyNames: readonly PolicyName[] = Object.freeze(Object.keys(factories) as PolicyName[])

/** Whether `createPolicy` knows a name. */
export function isPolicyName (name: string): name is PolicyName {
  return Object.hasOwn(factories, name)
}

/** Makes the policy of that name; an unknown name throws a `RangeError` that lists the known ones. */
export function createPolicy (name: string, options: PolicyOptions, context: PolicyContext): Policy {
  if (!isPolicyName(name)) throw new RangeError(`Unknown policy '${name}': allowed are ${policyNames.join(', ')}`)
  const factory: PolicyFactory = factories[name]
  return factory(context, options)
}

export { cacheAware, cacheAwareDefaults } from './cache-aware.ts'
export { consistentHash } from './consistent-hash.ts'
export { HashRing, pointsPerWorker } from './hash-ring.ts'
export { leastLoad } from './least-load.ts'
export { powerOfTwo } from './power-of-two.ts'
export { PrefixIndex } from './prefix-index.ts'
export { random } from './random.ts'
export { rendezvousHash } from './rendezvous-hash.ts'
export { furc, ringHash, ringHashHex } from './ring-hash.ts'
export { roundRobin } from './round-robin.ts'
export { keyHeaders, routingKey } from './routing-key.ts'
export { stickyLeastLoaded } from './sticky-least-loaded.ts'
export { stickyUntilSaturated } from './sticky-until-saturated.ts'
export type { BoundedLoadOptions } from './bounded-load.ts'
export type { CacheAwareOptions } from './cache-aware.ts'
export type { PrefixIndexOptions } from './prefix-index.ts'
export type { Hash64 } from './ring-hash.ts'
export type { KeyOptions, RoutingKey } from './routing-key.ts'
export type { StickyLeastLoadedOptions } from './sticky-least-loaded.ts'
export type { StickyUntilSaturatedOptions } from './sticky-until-saturated.ts'
export type * from './policy.ts'
