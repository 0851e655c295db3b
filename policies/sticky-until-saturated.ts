// Sends a request where it costs everybody the least time: to the worker that has its prefix, until waiting there costs more than computing it again elsewhere.
import type { Worker } from '../core/worker.ts'
import { candidateAt } from './choose.ts'
import { KnownPrefixes } from './known-prefixes.ts'
import type { KnownPrefixesOptions } from './known-prefixes.ts'
import { OutstandingWork } from './outstanding-work.ts'
import type { Decision, Policy, PolicyContext, Routing } from './policy.ts'
import { SessionTable } from './session-table.ts'

/** Options of `stickyUntilSaturated`. */
export interface StickyUntilSaturatedOptions extends KnownPrefixesOptions {}

/** Holders of a block that are looked at: of the longest beginning anybody has, and of each beginning half as long as the one before. */
const holders = 8
const fewerHolders = 4
/** Part of a prompt that a session's worker is given credit for where nothing of the text is known anywhere. */
const sessionCredit = 1 / 8

/** The session a request says it belongs to. */
function sessionOf (routing: Routing): string | undefined {
  return routing.session ?? routing.header('x-session-id')
}

/**
 * Of the coldest candidate, the session's last worker and those that have a beginning of the conversation, the one where all requests together
 * wait least (see docs/policies.md). What is compared is learned while running; nothing has to be set.
 */
export function stickyUntilSaturated (context: PolicyContext, options: StickyUntilSaturatedOptions = {}): Policy {
  const { random } = context
  const work = new OutstandingWork(context.now)
  const known = new KnownPrefixes(options, work, random)
  const sessions = new SessionTable()

  return {
    name: 'sticky_until_saturated',
    wantsKvTokens: true,

    pick (candidates, routing): Decision {
      const { prefix } = routing
      const { hashes } = prefix
      const key = sessionOf(routing)
      const home = key === undefined ? undefined : sessions.find(key)
      // where the text tells nothing, a session's prompt is at least as long as its last one
      const total = hashes.length > 0 || home === undefined ? work.tokens(prefix.length) : Math.max(work.tokens(prefix.length), home.tokens)
      let best: Worker | undefined
      let least = Infinity
      let most = 0
      let had = 0
      const consider = (worker: Worker, matched: number): void => {
        const tokens = matched < 0 ? -matched * total : work.tokens(matched)
        const cost = work.cost(work.slotOf(worker), total - tokens)
        if (tokens > most) most = tokens
        if (cost >= least) return
        least = cost
        best = worker
        had = tokens
      }

      const slots = work.slotsOf(candidates)
      const start = random()
      const coldest = candidateAt(candidates, work.coldest(slots, total, start))
      const depth = known.index.depth(hashes)
      if (depth > 0) {
        const seen = new Set<Worker>()
        for (let at = depth; at >= 1; at >>>= 1) {
          for (const worker of known.index.holdersOf(hashes[at - 1] as number, at === depth ? holders : fewerHolders)) {
            if (seen.has(worker) || !candidates.has(worker)) continue
            seen.add(worker)
            consider(worker, known.bytes(worker, prefix))
          }
        }
        const matched = known.bytes(coldest, prefix)
        consider(coldest, matched)
        // what everybody has, such as a system prompt, is no reason to prefer anybody: ask again for the rest alone
        if (matched > 0) {
          const other = candidateAt(candidates, work.coldest(slots, total - work.tokens(matched), start))
          if (other !== coldest) consider(other, known.bytes(other, prefix))
        }
      } else consider(coldest, 0)
      const unmatched = most === 0
      if (unmatched && home !== undefined && candidates.has(home.worker)) consider(home.worker, hashes.length > 0 ? -sessionCredit : -1)
      const worker = best ?? coldest
      const reason = most === 0 ? 'prefix_miss' : had < most ? 'imbalance' : unmatched ? 'session' : 'prefix_hit'
      return { worker, reason, match: unmatched || total === 0 ? 0 : Math.min(1, had / total) }
    },

    dispatched (worker, routing) {
      if (work.left(worker)) return
      const { prefix } = routing
      work.dispatched(worker, routing, work.tokens(prefix.length - known.bytes(worker, prefix)))
      known.sent(worker, prefix)
      const key = sessionOf(routing)
      if (key !== undefined) sessions.sent(key, worker, work.tokens(prefix.length))
    },
    firstByte: (worker, routing) => { work.firstByte(worker, routing) },
    finished: (worker, routing, how) => { work.finished(worker, routing, how) },
    workerAdded: worker => { work.added(worker) },
    workerRemoved (worker) {
      work.remove(worker)
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
