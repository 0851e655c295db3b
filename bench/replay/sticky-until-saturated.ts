// Sends a request where it costs everybody the least time: to the worker that has its prefix, until waiting there costs more than computing it again elsewhere.
import type { Candidates } from '../../core/candidates.ts'
import type { Worker } from '../../core/worker.ts'
import { anyCandidate } from '../../policies/choose.ts'
import type { Decision, Finished, Policy, PolicyContext, Routing } from '../../policies/policy.ts'
import { PrefixIndex } from '../../policies/prefix-index.ts'
import { WorkerSpeed } from './worker-speed.ts'
import type { Timing } from './worker-speed.ts'

/** Options of `stickyUntilSaturated`. */
export interface StickyUntilSaturatedOptions {
  /** Bytes of conversation remembered per worker. Default 2^25. */
  readonly maxTreeSize?: number
  /** Blocks remembered over all workers, each 60 to 70 bytes of memory. Default 2,000,000. */
  readonly maxIndexEntries?: number
}

/** A mean that follows; the first values count in full. */
class Mean {
  value: number
  private count = 0

  constructor (start: number) {
    this.value = start
  }

  add (value: number): void {
    this.count++
    this.value += (value - this.value) * Math.max(0.01, 1 / this.count)
  }
}

/** What is known of one worker. */
class Account {
  readonly worker: Worker
  readonly speed: WorkerSpeed
  /** Tokens of prompts that it was sent and has not computed. */
  pending = 0
  /** Requests that wait for their first token, and that have it. */
  waiting = 0
  decoding = 0
  /** Tokens of prompts computed so far. */
  computed = 0
  /** Answers under way times milliseconds, so far. */
  private area = 0
  private areaAt = 0

  constructor (worker: Worker, fleet: WorkerSpeed) {
    this.worker = worker
    this.speed = new WorkerSpeed(fleet)
  }

  get requests (): number {
    return this.waiting + this.decoding
  }

  /** Answers under way times milliseconds until now; called before their number changes. */
  areaUntil (now: number): number {
    this.area += this.decoding * (now - this.areaAt)
    this.areaAt = now
    return this.area
  }
}

/** One request on its way. */
interface Ticket extends Timing {
  readonly account: Account
  /** Tokens of its prompt that the worker must compute, as expected. */
  readonly uncached: number
  /** Where the account's sums stood when its answer began; undefined before. */
  began: { readonly area: number, readonly computed: number, readonly at: number } | undefined
}

/** Holders of a block that are looked at. */
const compared = 8

/**
 * A draft, for replays only: where all requests together wait least. Not yet: choices in constant time at a thousand workers, caches as
 * large as the engines' own, answers that are not streamed.
 */
export function stickyUntilSaturated (context: PolicyContext, options: StickyUntilSaturatedOptions = {}): Policy {
  const { maxTreeSize = 2 ** 25, maxIndexEntries = 2_000_000 } = options
  const newIndex = (): PrefixIndex => new PrefixIndex({ maxBytes: maxTreeSize, maxEntries: maxIndexEntries, salt: Math.floor(context.random() * 2 ** 32) })
  let index = newIndex()
  const accounts = new Map<Worker, Account>()
  const tickets = new WeakMap<Routing, Ticket>()
  const lists = new WeakMap<Candidates, Account[]>()
  const fleet = new WorkerSpeed()
  /** Bytes of text that make a token, and tokens of an answer. */
  const bytesPerToken = new Mean(4)
  const answer = new Mean(256)

  function accountOf (worker: Worker): Account {
    let account = accounts.get(worker)
    if (account === undefined) accounts.set(worker, account = new Account(worker, fleet))
    return account
  }

  function accountsOf (candidates: Candidates): Account[] {
    let list = lists.get(candidates)
    if (list === undefined) lists.set(candidates, list = candidates.workers.map(accountOf))
    return list
  }

  function matchedBytes (worker: Worker, { prefix: { hashes, ends } }: Routing): number {
    const depth = index.depthOf(worker, hashes)
    return depth === 0 ? 0 : ends[depth - 1] as number
  }

  /**
   * Milliseconds that all requests together wait longer when a prompt with so many tokens to compute goes there: what is in front of it, its own
   * computing, for itself and for every other request there, and the slower steps of all answers, its own and theirs.
   */
  function cost (account: Account, uncached: number): number {
    const { pending, requests, speed } = account
    return (pending + uncached * (1 + requests)) / speed.rate + 2 * answer.value * speed.slope * requests
  }

  function coldest (list: readonly Account[], uncached: number): Account | undefined {
    let best: Account | undefined
    let least = Infinity
    // from anywhere: of equals a random one
    const start = Math.floor(context.random() * list.length)
    for (let i = 0; i < list.length; i++) {
      const account = list[(start + i) % list.length] as Account
      const one = cost(account, uncached)
      if (one < least) {
        least = one
        best = account
      }
    }
    return best
  }

  return {
    name: 'sticky_until_saturated',

    pick (candidates, routing): Decision {
      const { prefix } = routing
      const tokens = (bytes: number): number => bytes / bytesPerToken.value
      let best: Decision | undefined
      let least = Infinity
      let longest = 0
      const consider = (account: Account): void => {
        const matched = matchedBytes(account.worker, routing)
        longest = Math.max(longest, matched)
        const one = cost(account, tokens(prefix.length - matched))
        if (one >= least) return
        least = one
        best = { worker: account.worker, reason: 'prefix_hit', match: prefix.length === 0 ? 0 : matched / prefix.length }
      }
      const list = accountsOf(candidates)
      const depth = index.depth(prefix.hashes)
      const cold = coldest(list, tokens(prefix.length))
      if (cold !== undefined) consider(cold)
      if (depth > 0) {
        // what everybody has, such as a system prompt, is no reason to prefer anybody: ask again for the rest alone
        const matched = cold === undefined ? 0 : matchedBytes(cold.worker, routing)
        if (matched > 0) {
          const other = coldest(list, tokens(prefix.length - matched))
          if (other !== undefined && other !== cold) consider(other)
        }
        for (let at = depth; at >= 1; at = Math.floor(at * 0.75)) {
          for (const worker of index.holdersOf(prefix.hashes[at - 1] as number, compared)) if (candidates.has(worker)) consider(accountOf(worker))
        }
      }
      if (best === undefined) return { worker: anyCandidate(candidates, context.random()), reason: 'prefix_miss', match: 0 }
      const share = (best.match ?? 0) * prefix.length
      best.reason = longest === 0 ? 'prefix_miss' : share < longest ? 'imbalance' : 'prefix_hit'
      return best
    },

    dispatched (worker, routing) {
      const account = accountOf(worker)
      const uncached = (routing.prefix.length - matchedBytes(worker, routing)) / bytesPerToken.value
      tickets.set(routing, { account, uncached, dispatchedAt: context.now(), batch: undefined, began: undefined })
      account.pending += uncached
      account.waiting++
      if (worker.state !== 'gone') index.insert(worker, routing.prefix)
    },

    firstByte (_worker, routing) {
      const ticket = tickets.get(routing)
      if (ticket === undefined || ticket.began !== undefined) return
      const { account, uncached } = ticket
      const now = context.now()
      account.computed += uncached
      ticket.began = { area: account.areaUntil(now), computed: account.computed, at: now }
      account.pending = Math.max(0, account.pending - uncached)
      account.waiting--
      account.decoding++
      account.speed.firstByte(ticket, now)
    },

    finished (_worker, routing, how: Finished) {
      const ticket = tickets.get(routing)
      if (ticket === undefined) return
      tickets.delete(routing)
      const { account, began } = ticket
      if (began === undefined) {
        account.waiting--
        account.pending = Math.max(0, account.pending - ticket.uncached)
        return
      }
      const now = context.now()
      const area = account.areaUntil(now)
      account.decoding--
      const { promptTokens, cachedTokens, completionTokens, ok } = how
      account.speed.ended(ticket, promptTokens !== undefined && cachedTokens !== undefined ? promptTokens - cachedTokens : ticket.uncached)
      if (!ok) return
      if (promptTokens !== undefined && promptTokens > 0 && routing.prefix.length > 0) bytesPerToken.add(routing.prefix.length / promptTokens)
      if (completionTokens === undefined) return
      answer.add(completionTokens)
      const took = now - began.at
      if (completionTokens < 8 || !(took > 0)) return
      // without the time that prompts took which were computed meanwhile
      const stalled = (account.computed - began.computed) / account.speed.rate
      account.speed.paced((area - began.area) / took - 1, (took - stalled) / (completionTokens - 1))
    },

    workerRemoved (worker) {
      accounts.delete(worker)
      index.remove(worker)
    },
    flush: () => { index = newIndex() },
    size: worker => index.size(worker)
  }
}
