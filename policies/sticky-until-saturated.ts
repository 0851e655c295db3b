// Sends a request where it costs everybody the least time: to the worker that has its prefix, until waiting there costs more than computing it again elsewhere.
import type { Worker } from '../core/worker.ts'
import { candidateAt } from './choose.ts'
import { KnownPrefixes } from './known-prefixes.ts'
import type { KnownPrefixesOptions } from './known-prefixes.ts'
import { OutstandingWork } from './outstanding-work.ts'
import type { Decision, Policy, PolicyContext } from './policy.ts'
import { headersOf, sessionKey } from './routing-key.ts'
import type { KeyOptions } from './routing-key.ts'
import { SessionTable } from './session-table.ts'

/** Options of `stickyUntilSaturated`. */
export interface StickyUntilSaturatedOptions extends KnownPrefixesOptions, KeyOptions {}

/** Holders of a block that are looked at: of the longest beginning anybody has, and of each beginning half as long as the one before. */
const holders = 6
const fewerHolders = 4
/** Candidates compared in all. */
const compared = 8
/** Part of a prompt that a session's worker is given credit for where nothing of the text is known anywhere. */
const sessionCredit = 1 / 8

/** Headers that name a request or a whole tenant rather than a session. */
const noSessions: ReadonlySet<string> = new Set(['x-user-id', 'x-tenant-id', 'x-correlation-id', 'x-request-id', 'x-trace-id'])

/**
 * Of the coldest candidate, the session's last worker and those that have a beginning of the conversation, the one where all requests together
 * wait least (see docs/policies.md). What is compared is learned while running; nothing has to be set.
 */
export function stickyUntilSaturated (context: PolicyContext, options: StickyUntilSaturatedOptions = {}): Policy {
  const { random } = context
  const work = new OutstandingWork(context.now)
  const { loads } = work
  const known = new KnownPrefixes(options, work, random)
  const sessions = new SessionTable()
  const headers = headersOf(options, noSessions)

  return {
    name: 'sticky_until_saturated',
    wantsKvTokens: true,

    pick (candidates, routing): Decision {
      const { prefix } = routing
      const { hashes, ends } = prefix
      const slots = work.slotsOf(candidates)
      const start = random()
      const crowding = loads.crowding(slots, start)
      const key = sessionKey(routing, headers)
      const home = key === undefined ? undefined : sessions.find(key.key)
      const depth = known.index.depth(hashes)
      // where the text tells nothing, a session's prompt is at least as long as its last one
      const total = Math.max(work.tokens(prefix.length), hashes.length === 0 && home !== undefined ? home.tokens : 0)
      const longest = depth === 0 ? 0 : work.tokens(ends[depth - 1] as number)
      const again = depth === 0 ? 1 : known.again(hashes, depth, slots.length)
      /** What a worker that has so many tokens of it would have to compute. */
      const uncached = (matched: number): number => total - longest + Math.max(0, longest - matched) * again

      let best: Worker | undefined
      let least = Infinity
      let most = 0
      let had = 0
      const consider = (worker: Worker, matched: number, toCompute: number): void => {
        const cost = loads.cost(work.slotOf(worker), toCompute, crowding)
        if (matched > most) most = matched
        if (cost >= least) return
        least = cost
        best = worker
        had = matched
      }
      const coldest = candidateAt(candidates, loads.coldest(slots, uncached(0), crowding, start))
      if (depth === 0) consider(coldest, 0, total)
      else {
        const seen: Worker[] = []
        const considerOnce = (worker: Worker, matched?: number): void => {
          if (seen.length >= compared || seen.includes(worker)) return
          seen.push(worker)
          const tokens = matched ?? work.tokens(known.bytes(worker, prefix))
          consider(worker, tokens, uncached(tokens))
        }
        considerOnce(coldest)
        // what everybody has, such as a system prompt, is no reason to prefer anybody: asked again for the rest alone
        if (had > 0) considerOnce(candidateAt(candidates, loads.coldest(slots, uncached(had), crowding, start)))
        for (const worker of known.index.holdersOf(hashes[depth - 1] as number, holders, candidates)) considerOnce(worker, longest)
        for (let above = depth, at = depth >>> 1; at >= 1 && seen.length < compared; above = at, at >>>= 1) {
          // who has less than that cannot be better, were it idle
          if (least <= loads.leastCost(uncached(work.tokens(ends[above - 1] as number)))) break
          for (const worker of known.index.holdersOf(hashes[at - 1] as number, fewerHolders, candidates)) considerOnce(worker)
        }
      }
      const unmatched = most === 0
      if (unmatched && home !== undefined && candidates.has(home.worker)) {
        const matched = hashes.length > 0 ? total * sessionCredit : total
        consider(home.worker, matched, total - matched)
      }
      const worker = best ?? coldest
      const reason = most === 0 ? 'prefix_miss' : had < most ? 'imbalance' : unmatched ? 'session' : 'prefix_hit'
      const kept = unmatched ? 0 : had
      return {
        worker, reason, match: total === 0 ? 0 : Math.min(1, kept / total), uncachedTokens: Math.round(total - kept), ...(key === undefined ? {} : { session: key.reason })
      }
    },

    dispatched (worker, routing) {
      if (work.left(worker)) return
      const { prefix } = routing
      work.dispatched(worker, routing, work.tokens(prefix.length - known.bytes(worker, prefix)))
      known.sent(worker, prefix)
      const key = sessionKey(routing, headers)
      if (key !== undefined) sessions.sent(key.key, worker, prefix.length > 0 ? work.tokens(prefix.length) : work.promptTokens)
    },
    heard: (worker, chain) => { known.sent(worker, chain) },
    firstByte: (worker, routing) => { work.firstByte(worker, routing) },
    finished: (worker, routing, how) => { work.finished(worker, routing, how) },
    workerAdded: worker => { work.added(worker) },
    workerRemoved (worker) {
      work.remove(worker)
      known.remove(worker)
      sessions.remove(worker)
    },
    workerLost (worker) {
      work.restarted(worker)
      known.remove(worker)
      sessions.remove(worker)
    },
    flush () {
      known.flush()
      sessions.clear()
    },
    size: worker => known.index.size(worker)
  }
}
