// The Rust vllm-router's five policies as its source does them (0.1.17), for comparison in replays; never a part of the router.
import { candidateAt } from '../../../policies/choose.ts'
import { HashRing } from '../../../policies/hash-ring.ts'
import type { Candidates } from '../../../core/candidates.ts'
import type { Worker } from '../../../core/worker.ts'
import type { Decision, Policy, PolicyContext, Routing } from '../../../policies/policy.ts'
import { ringHash } from '../../../policies/ring-hash.ts'
import { RadixTree } from './radix-tree.ts'
import type { Text } from './radix-tree.ts'

/** One counter for all, from 0, modulo the number of eligible workers. */
export function rustRoundRobin (): Policy {
  let counter = 0
  return {
    name: 'rust_round_robin',
    pick: candidates => ({ worker: candidateAt(candidates, counter++ % candidates.workers.length), reason: 'round_robin' })
  }
}

/** Uniform. */
export function rustRandom (context: PolicyContext): Policy {
  return {
    name: 'rust_random',
    pick: candidates => ({ worker: candidateAt(candidates, Math.floor(context.random() * candidates.workers.length)), reason: 'random' })
  }
}

/** Two different ones by chance, the one with fewer requests in flight, the first drawn of equals: the polled load it prefers has no path in vLLM, so its own counters decide. */
export function rustPowerOfTwo (context: PolicyContext): Policy {
  return {
    name: 'rust_power_of_two',
    pick (candidates) {
      const { length } = candidates.workers
      if (length === 1) return { worker: candidateAt(candidates, 0), reason: 'only_candidate' }
      const first = Math.floor(context.random() * length)
      let second = Math.floor(context.random() * (length - 1))
      if (second >= first) second++
      const one = candidateAt(candidates, first)
      const two = candidateAt(candidates, second)
      return two.inFlight < one.inFlight ? { worker: two, reason: 'lower_load' } : { worker: one, reason: 'lower_load' }
    }
  }
}

/** Its headers, first hit wins. */
const keyHeaders = ['x-session-id', 'x-user-id', 'x-tenant-id', 'x-correlation-id', 'x-request-id', 'x-trace-id'] as const

/** The key of a chat: a header of its list, else the session of the body's `session_params`, else the same text for everybody. */
function chatKey (routing: Routing): string {
  for (const name of keyHeaders) {
    const value = routing.header(name)
    if (value !== undefined && value !== '') return `header:${name}:${value}`
  }
  const session = routing.session
  return session?.startsWith('session:') === true ? session : 'request:'
}

/** Its ring and its keys for chats: without a session header or `session_params` all go to one worker. */
export function rustConsistentHash (): Policy {
  const rings = new WeakMap<Candidates, HashRing>()
  return {
    name: 'rust_consistent_hash',
    pick (candidates, routing) {
      let ring = rings.get(candidates.whole)
      if (ring === undefined) rings.set(candidates.whole, ring = new HashRing(candidates.whole.workers))
      const worker = ring.owner(ringHash(chatKey(routing)))
      // not eligible: the first of the list
      return { worker: worker !== undefined && candidates.has(worker) ? worker : candidateAt(candidates, 0), reason: 'conversation' }
    }
  }
}

/** The flags of its cache_aware, with its defaults. */
export interface RustCacheAwareOptions {
  readonly cacheThreshold?: number
  readonly balanceAbsThreshold?: number
  readonly balanceRelThreshold?: number
  /** Characters for each worker. */
  readonly maxTreeSize?: number
  /** Seconds between two runs of the eviction. */
  readonly evictionInterval?: number
}

/** Default of every flag. */
export const rustCacheAwareDefaults: Required<RustCacheAwareOptions> = {
  cacheThreshold: 0.3, balanceAbsThreshold: 64, balanceRelThreshold: 1.5, maxTreeSize: 2 ** 25, evictionInterval: 120
}

/** Its key has 8 hex digits a token; a replay's prefix chains have 4 bytes a token. */
const charactersPerByte = 2
/** Ages of what is in the tree change with one request in so many. */
const stampedOf = 8

/** The first of the list with the fewest requests in flight: at rest that is always the same one. */
function leastInFlight (workers: Iterable<Worker>): Worker | undefined {
  let found: Worker | undefined
  for (const worker of workers) if (found === undefined || worker.inFlight < found.inFlight) found = worker
  return found
}

/**
 * Out of balance: the least loaded. Else the worker that was sent most of the text (the least loaded of several) when that is more than `cacheThreshold`
 * of it; else the least loaded. The text goes into the tree for whoever was chosen. Blocks are its units here, with the characters that their tokens would
 * have in its key; what stands behind the last whole block is a unit that nobody shares. The calls to `/render` that its token ids cost are free here.
 */
export function rustCacheAware (context: PolicyContext, options: RustCacheAwareOptions = {}): Policy {
  const { cacheThreshold, balanceAbsThreshold, balanceRelThreshold, maxTreeSize, evictionInterval } = { ...rustCacheAwareDefaults, ...options }
  const interval = evictionInterval * 1000
  let tree = new RadixTree()
  let requests = 0
  let evictedAt = context.now()
  /** Numbers for what nobody shares; blocks have positive ones. */
  let own = 0

  function textOf ({ prefix: { hashes, ends, length } }: Routing): Text {
    const units = [...hashes]
    const characters = ends.map(end => end * charactersPerByte)
    if (length > (ends.at(-1) ?? 0)) {
      units.push(--own)
      characters.push(length * charactersPerByte)
    }
    return { units, ends: characters }
  }

  function decide (candidates: Candidates, text: Text, stamp: number | undefined): Decision {
    const { workers } = candidates
    const least = leastInFlight(workers) ?? candidateAt(candidates, 0)
    const most = workers.reduce((max, { inFlight }) => Math.max(max, inFlight), 0)
    if (most - least.inFlight > balanceAbsThreshold && most > least.inFlight * balanceRelThreshold) return { worker: least, reason: 'imbalance' }
    const { characters, tenants } = tree.match(text, stamp)
    const length = text.ends.at(-1) ?? 0
    const share = length === 0 ? 0 : characters / length
    const holder = share > cacheThreshold ? leastInFlight(workers.filter(worker => tenants.has(worker))) : undefined
    return holder === undefined ? { worker: least, reason: 'prefix_miss', match: share } : { worker: holder, reason: 'prefix_hit', match: share }
  }

  return {
    name: 'rust_cache_aware',
    pick (candidates, routing) {
      const now = context.now()
      // its thread wakes by the clock; nothing happens to the tree between that moment and now
      if (now - evictedAt >= interval) {
        evictedAt += Math.floor((now - evictedAt) / interval) * interval
        tree.evict(maxTreeSize)
      }
      const refresh = requests++ % stampedOf === 0
      const text = textOf(routing)
      const decision = decide(candidates, text, refresh ? now : undefined)
      tree.insert(text, decision.worker, now, refresh)
      return decision
    },
    workerRemoved: worker => tree.remove(worker),
    flush: () => { tree = new RadixTree() }
  }
}

/** The five by the name they have in a replay. */
export const rustPolicies: Readonly<Record<string, (context: PolicyContext, options?: RustCacheAwareOptions) => Policy>> = {
  rust_cache_aware: rustCacheAware,
  rust_consistent_hash: rustConsistentHash,
  rust_power_of_two: rustPowerOfTwo,
  rust_random: rustRandom,
  rust_round_robin: rustRoundRobin
}
