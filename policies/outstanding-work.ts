// The account of what every worker has still to do for this router: charged when a request is sent, and learned from how it went.
import type { Candidates } from '../core/candidates.ts'
import type { Worker } from '../core/worker.ts'
import { LoadTable } from './load-table.ts'
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
  /** Its first byte comes with the rest of the answer. */
  readonly whole: boolean
  /** Tokens that the worker was sent in requests with whole answers, this one's included. */
  readonly mark: number
  /** Where the account's sums stood when its answer began; undefined before. */
  began: { readonly area: number, readonly computed: number, readonly steps: number, readonly at: number } | undefined
  /** Another attempt of the same request. */
  other: Ticket | undefined
}

/** What is known of one worker beyond the numbers that choices look at. */
class Account {
  /** Place of its numbers; that of a worker that left is given out again. */
  readonly slot: number
  speed: WorkerSpeed
  /** Requests whose answer has begun. */
  decoding = 0
  /** Tokens of prompts computed so far, and steps of the engine in which they came to their end. */
  computed = 0
  steps = 0
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

/**
 * A request's tokens are charged when it is sent, and taken off when its first byte comes. One whose answer comes whole has no such moment: its
 * tokens are taken to be computed at the worker's rate, one after the other.
 */
export class OutstandingWork {
  readonly loads: LoadTable
  /** What holds for the whole fleet. */
  readonly fleet = new WorkerSpeed()
  /** Bytes of a conversation for a token; about that of English prose at first. */
  private readonly bytesPerToken = new Mean(4)
  /** Tokens of an answer, and tokens of a prompt that had to be computed. */
  private readonly answer = new Mean(256)
  private readonly prompt = new Mean(1024)
  /** Tokens of a whole prompt. */
  private readonly length = new Mean(1024)
  private readonly now: () => number
  private readonly accounts = new Map<Worker, Account>()
  private readonly tickets = new WeakMap<Routing, Ticket>()
  private readonly lists = new WeakMap<Candidates, Int32Array>()
  /** Workers that left: a late retry must not bring them back. */
  private readonly removed = new WeakSet<Worker>()
  private readonly free: number[] = []
  private used = 1

  constructor (now: () => number) {
    this.now = now
    this.loads = new LoadTable(now)
    this.learned()
  }

  /** Tokens of so many bytes of conversation. */
  tokens (bytes: number): number {
    return bytes / this.bytesPerToken.value
  }

  /** Bytes of conversation that so many tokens stand for. */
  bytes (tokens: number): number {
    return tokens * this.bytesPerToken.value
  }

  /** Tokens of an average prompt, those in a cache included. */
  get promptTokens (): number {
    return Math.max(1, this.length.value)
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

  /** A request was sent to a worker, which has so many tokens of its prompt to compute. */
  dispatched (worker: Worker, routing: Routing, uncached: number): void {
    const account = this.account(worker)
    if (account === undefined) return
    const { slot, speed } = account
    const now = this.now()
    const whole = routing.stream === false
    this.loads.sent(slot, uncached, whole)
    if (whole) {
      account.sentWhole += uncached
      speed.unclear(now + this.loads.pendingAt(slot) * this.loads.perTokenAt(slot))
    }
    // what has no text the router could read says nothing of prompts
    if (routing.prefix.length > 0) {
      this.prompt.add(uncached)
      this.length.add(this.tokens(routing.prefix.length))
    }
    this.loads.rates.prompt = Math.max(1, this.prompt.value)
    this.tickets.set(routing, {
      account, uncached, whole, mark: account.sentWhole, dispatchedAt: now, spell: undefined, began: undefined, other: this.tickets.get(routing)
    })
  }

  /** The first byte of its answer came. */
  firstByte (worker: Worker, routing: Routing): void {
    const account = this.accounts.get(worker)
    let ticket = this.tickets.get(routing)
    while (ticket !== undefined && (ticket.account !== account || ticket.began !== undefined)) ticket = ticket.other
    if (ticket === undefined || account === undefined || ticket.whole) return
    const now = this.now()
    const { uncached } = ticket
    if (account.speed.firstByte(ticket, now)) account.steps++
    account.computed += uncached
    ticket.began = { area: account.areaUntil(now), computed: account.computed, steps: account.steps, at: now }
    account.decoding++
    this.loads.computed(account.slot, uncached)
  }

  /** A request is over. */
  finished (worker: Worker, routing: Routing, how: Finished): void {
    const account = this.accounts.get(worker)
    const ticket = this.take(account, routing)
    if (ticket === undefined || account === undefined) return
    const { loads } = this
    const now = this.now()
    const { promptTokens, cachedTokens, completionTokens, ok } = how
    const { slot, speed } = account
    const { began, uncached, whole } = ticket
    loads.ended(slot)
    if (ok && promptTokens !== undefined && promptTokens >= tellingTokens && routing.prefix.length > 0) {
      this.bytesPerToken.add(Math.min(mostBytes, Math.max(fewestBytes, routing.prefix.length / promptTokens)))
    }
    if (ok && completionTokens !== undefined) this.answer.add(completionTokens)
    if (whole) {
      // this one is computed, and so is what came before it
      loads.wholeLeft(slot, account.sentWhole - ticket.mark)
      return
    }
    if (began === undefined) {
      loads.computed(slot, uncached)
      // some of it may have been
      speed.unclear(now)
      return
    }
    const area = account.areaUntil(now)
    account.decoding--
    const known = promptTokens !== undefined && cachedTokens !== undefined
    speed.ended(ticket, ok ? known ? promptTokens - cachedTokens : uncached : undefined)
    const took = now - began.at
    if (ok && completionTokens !== undefined && took > 0) {
      speed.answered(completionTokens - 1, took, (area - began.area) / took - 1, account.computed - began.computed, account.steps - began.steps)
    }
    loads.setPerToken(slot, speed.ownPerToken)
    this.learned()
  }

  /** Keeps an account of a worker. */
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
    this.loads.clear(account.slot)
    this.free.push(account.slot)
  }

  /** Forgets how fast a worker was; what is on its way stays charged. */
  restarted (worker: Worker): void {
    const account = this.accounts.get(worker)
    if (account === undefined) return
    account.speed = new WorkerSpeed(this.fleet)
    this.loads.setPerToken(account.slot, undefined)
  }

  /** Whether a worker has left. */
  left (worker: Worker): boolean {
    return worker.state === 'gone' || this.removed.has(worker)
  }

  private learned (): void {
    const { rates } = this.loads
    rates.perToken = this.fleet.perToken
    rates.tokensPerAnswer = 2 * this.answer.value * this.fleet.slope / rates.perToken
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
    this.loads.clear(slot)
    account = new Account(slot, this.fleet)
    this.accounts.set(worker, account)
    return account
  }
}
