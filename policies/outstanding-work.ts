// What every worker has still to do for this router: prompts to compute and answers to write, charged when a request is sent.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'
import type { Finished, Routing } from './policy.ts'
import { WorkerSpeed } from './worker-speed.ts'
import type { Timing } from './worker-speed.ts'

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

/** One request on its way. */
interface Ticket extends Timing {
  readonly account: Account
  /** Tokens of its prompt that the worker must compute, as expected. */
  readonly uncached: number
  /** Its first byte comes with the rest of the answer. */
  readonly whole: boolean
  /** Tokens that the worker was sent in requests with whole answers, this one's included. */
  readonly mark: number
  /** Where the account's sums stood when its answer began; undefined before. */
  began: { readonly area: number, readonly computed: number, readonly at: number } | undefined
  /** Another attempt of the same request. */
  other: Ticket | undefined
}

/** What is known of one worker beyond the numbers that choices look at. */
class Account {
  /** Place of its numbers; those of a worker that left are given out again. */
  readonly slot: number
  readonly speed: WorkerSpeed
  /** Requests whose answer has begun. */
  decoding = 0
  /** Tokens of prompts computed so far. */
  computed = 0
  /** Tokens sent in requests with whole answers. */
  sentWhole = 0
  /** Answers under way times milliseconds, so far. */
  private area = 0
  private areaAt = 0

  constructor (slot: number, fleet: WorkerSpeed) {
    this.slot = slot
    this.speed = new WorkerSpeed(fleet)
  }

  /** Answers under way times milliseconds until now; called before their number changes. */
  areaUntil (now: number): number {
    this.area += this.decoding * (now - this.areaAt)
    this.areaAt = now
    return this.area
  }
}

/** A text takes at least and at most so many bytes for a token, whatever workers say. */
const fewestBytes = 0.5
const mostBytes = 64
/** Prompts of fewer tokens tell more of the chat template than of the text. */
const tellingTokens = 32
/** Answers of fewer tokens tell little of the time between two. */
const tellingAnswer = 8
/** At most so many candidates are looked at for the coldest: a window that begins anywhere, so that a choice takes no longer in a larger fleet. */
const window = 256

/**
 * Numbers of all workers, in typed arrays by slot. `pending` falls by a request's tokens when its first byte comes. A request whose answer comes
 * whole has no such moment: its tokens are taken to be computed at the worker's rate, one after the other (`busyUntil`).
 */
export class OutstandingWork {
  /** Bytes of a conversation for a token; about that of English prose at first. */
  readonly bytesPerToken = new Mean(4)
  /** Tokens of an answer. */
  readonly answer = new Mean(256)
  /** Tokens of a prompt that had to be computed. */
  readonly prompt = new Mean(1024)
  readonly fleet = new WorkerSpeed()
  private readonly now: () => number
  private readonly accounts = new Map<Worker, Account>()
  private readonly tickets = new WeakMap<Routing, Ticket>()
  private readonly lists = new WeakMap<Candidates, Int32Array>()
  /** Workers that left: a late retry must not bring them back. */
  private readonly removed = new WeakSet<Worker>()
  private readonly free: number[] = []
  /** Slot 0 is for workers nobody keeps anything for. */
  private used = 1
  private pending = new Float64Array(16)
  private requests = new Int32Array(16)
  private busyUntil = new Float64Array(16)
  /** Milliseconds for a token where a worker is unlike the others, else 0. */
  private perToken = new Float64Array(16)

  constructor (now: () => number) {
    this.now = now
  }

  /** Tokens of so many bytes of conversation. */
  tokens (bytes: number): number {
    return bytes / this.bytesPerToken.value
  }

  /** Where the numbers of a worker are; 0 for one that has left. */
  slotOf (worker: Worker): number {
    return this.account(worker)?.slot ?? 0
  }

  /** Slots of all candidates, in their order. */
  slotsOf (candidates: Candidates): Int32Array {
    let slots = this.lists.get(candidates)
    if (slots === undefined) this.lists.set(candidates, slots = Int32Array.from(candidates.workers, worker => this.slotOf(worker)))
    return slots
  }

  /** Requests that a worker has from this router. */
  requestsAt (slot: number): number {
    return this.requests[slot] as number
  }

  /** Tokens of prompts that it has not computed. */
  pendingAt (slot: number): number {
    const busy = (this.busyUntil[slot] as number) - this.now()
    return (this.pending[slot] as number) + (busy > 0 ? busy / this.perTokenAt(slot) : 0)
  }

  /** Milliseconds for a token of prompt. */
  perTokenAt (slot: number): number {
    return (this.perToken[slot] as number) || this.fleet.perToken
  }

  /**
   * Tokens that take as long as the slower steps which one more answer brings: to itself beside one other, and to that other. One for all workers,
   * as a slower worker is taken to be as much slower in both.
   */
  get tokensPerAnswer (): number {
    return 2 * this.answer.value * this.fleet.slope / this.fleet.perToken
  }

  /**
   * Milliseconds that all requests together wait longer when a prompt with so many tokens to compute goes there: what is in front of it, its own
   * computing, for itself and for every other request there, and the slower steps of all answers, its own and theirs.
   */
  cost (slot: number, uncached: number): number {
    const requests = this.requestsAt(slot)
    return (this.pendingAt(slot) + uncached * (1 + requests) + this.tokensPerAnswer * requests) * this.perTokenAt(slot)
  }

  /** Place in the list of the candidate with the least cost, of at most 256 from a place on that `random` (0 ≤ x < 1) decides. */
  coldest (slots: Int32Array, uncached: number, random: number): number {
    const { pending, requests, busyUntil, perToken } = this
    const { length } = slots
    const now = this.now()
    const usual = this.fleet.perToken
    const each = uncached + this.tokensPerAnswer
    let at = Math.floor(random * length)
    let best = at
    let least = Infinity
    for (let looked = Math.min(length, window); looked > 0; looked--) {
      const slot = slots[at] as number
      const own = (perToken[slot] as number) || usual
      const busy = (busyUntil[slot] as number) - now
      const cost = ((pending[slot] as number) + uncached + each * (requests[slot] as number)) * own + (busy > 0 ? busy : 0)
      if (cost < least) {
        least = cost
        best = at
      }
      if (++at === length) at = 0
    }
    return best
  }

  /** A request was sent to a worker, which has so many tokens of its prompt to compute. */
  dispatched (worker: Worker, routing: Routing, uncached: number): void {
    const account = this.account(worker)
    if (account === undefined) return
    const { slot } = account
    const now = this.now()
    const whole = routing.stream === false
    if (whole) {
      account.sentWhole += uncached
      this.busyUntil[slot] = Math.max(this.busyUntil[slot] as number, now) + uncached * this.perTokenAt(slot)
      account.speed.unclear(now + this.pendingAt(slot) * this.perTokenAt(slot))
    } else this.pending[slot] = (this.pending[slot] as number) + uncached
    this.requests[slot] = this.requestsAt(slot) + 1
    this.prompt.add(uncached)
    this.tickets.set(routing, {
      account, uncached, whole, mark: account.sentWhole, dispatchedAt: now, batch: undefined, began: undefined, other: this.tickets.get(routing)
    })
  }

  /** The first byte of its answer came. */
  firstByte (worker: Worker, routing: Routing): void {
    const account = this.accounts.get(worker)
    let ticket = this.tickets.get(routing)
    while (ticket !== undefined && (ticket.account !== account || ticket.began !== undefined)) ticket = ticket.other
    if (ticket === undefined || account === undefined || ticket.whole) return
    const now = this.now()
    account.computed += ticket.uncached
    ticket.began = { area: account.areaUntil(now), computed: account.computed, at: now }
    account.decoding++
    this.computed(account, ticket.uncached)
    account.speed.firstByte(ticket, now)
  }

  /** A request is over. */
  finished (worker: Worker, routing: Routing, how: Finished): void {
    const account = this.accounts.get(worker)
    const ticket = this.take(account, routing)
    if (ticket === undefined || account === undefined) return
    const now = this.now()
    const { promptTokens, cachedTokens, completionTokens, ok } = how
    const { slot, speed } = account
    const { began, uncached } = ticket
    this.requests[slot] = Math.max(0, this.requestsAt(slot) - 1)
    if (ok) {
      if (promptTokens !== undefined && promptTokens >= tellingTokens && routing.prefix.length > 0) {
        this.bytesPerToken.add(Math.min(mostBytes, Math.max(fewestBytes, routing.prefix.length / promptTokens)))
      }
      if (completionTokens !== undefined) this.answer.add(completionTokens)
    }
    if (ticket.whole) {
      // this one is computed, and so is what came before it
      this.busyUntil[slot] = Math.min(this.busyUntil[slot] as number, now + (account.sentWhole - ticket.mark) * this.perTokenAt(slot))
      return
    }
    if (began === undefined) {
      this.computed(account, uncached)
      // some of it may have been
      speed.unclear(now)
      return
    }
    const area = account.areaUntil(now)
    account.decoding--
    const known = promptTokens !== undefined && cachedTokens !== undefined
    speed.ended(ticket, ok ? known ? promptTokens - cachedTokens : uncached : undefined)
    this.perToken[slot] = speed.ownPerToken ?? 0
    const took = now - began.at
    if (!ok || completionTokens === undefined || completionTokens < tellingAnswer || !(took > 0)) return
    // without the time that prompts took which were computed meanwhile
    const stalled = (account.computed - began.computed) * this.perTokenAt(slot)
    speed.paced((area - began.area) / took - 1, (took - stalled) / (completionTokens - 1))
  }

  /** Keeps numbers for a worker. */
  added (worker: Worker): void {
    this.removed.delete(worker)
    this.slotOf(worker)
  }

  /** Forgets a worker. */
  remove (worker: Worker): void {
    this.removed.add(worker)
    const account = this.accounts.get(worker)
    if (account === undefined) return
    this.accounts.delete(worker)
    this.free.push(account.slot)
    this.pending[account.slot] = this.requests[account.slot] = this.busyUntil[account.slot] = this.perToken[account.slot] = 0
  }

  /** Whether a worker has left. */
  left (worker: Worker): boolean {
    return worker.state === 'gone' || this.removed.has(worker)
  }

  private computed ({ slot }: Account, tokens: number): void {
    this.pending[slot] = Math.max(0, (this.pending[slot] as number) - tokens)
  }

  /** Takes out the ticket that a request has for a worker. */
  private take (account: Account | undefined, routing: Routing): Ticket | undefined {
    let before: Ticket | undefined
    let ticket = this.tickets.get(routing)
    while (ticket !== undefined && ticket.account !== account) {
      before = ticket
      ticket = ticket.other
    }
    if (ticket === undefined) return undefined
    if (before !== undefined) before.other = ticket.other
    else if (ticket.other !== undefined) this.tickets.set(routing, ticket.other)
    else this.tickets.delete(routing)
    return ticket
  }

  private account (worker: Worker): Account | undefined {
    let account = this.accounts.get(worker)
    if (account !== undefined || this.left(worker)) return account
    const slot = this.free.pop() ?? this.used++
    if (slot >= this.pending.length) this.grow()
    account = new Account(slot, this.fleet)
    this.accounts.set(worker, account)
    return account
  }

  private grow (): void {
    const length = 2 * this.pending.length
    const longer = (array: Float64Array): Float64Array<ArrayBuffer> => {
      const copy = new Float64Array(length)
      copy.set(array)
      return copy
    }
    this.pending = longer(this.pending)
    this.busyUntil = longer(this.busyUntil)
    this.perToken = longer(this.perToken)
    const requests = new Int32Array(length)
    requests.set(this.requests)
    this.requests = requests
  }
}
