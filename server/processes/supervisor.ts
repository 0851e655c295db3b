// Keeps a number of child processes running: starts them, replaces those that die or hang, and ends them.
import { EventEmitter } from 'node:events'
import { constants } from 'node:os'
import type { Clock, Timer } from '../../core/clock.ts'
import { Channel } from './channel.ts'
import type { Answers } from './channel.ts'
import type { AnswerMessage, EndMessage, QuestionMessage, ToChild, ToPrimary } from './messages.ts'

/** A child that served for so long did not die of what its predecessor died of. */
const stableMs = 60_000
/** Deaths in a row of children in one place, each sooner than that, after which the whole ends. */
const tooMany = 5
/** Pauses before the second and later starts in a row; the first is at once. */
const firstPauseMs = 100
const longestPauseMs = 5000
/** A child is asked so often whether it is alive, and is killed after so many questions without an answer: after half a minute. */
const askMs = 5000
const patience = 6
/** What ends by itself gets so much longer than it was told to take. */
const killMs = 5000

/** A process as `node:cluster` gives it. */
export interface ProcessHandle {
  send (message: ToChild | QuestionMessage | AnswerMessage, sent: () => void): void
  kill (signal: NodeJS.Signals): void
  /** Hears of it from now on, and of what came before. */
  follow (message: (message: ToPrimary) => void, exit: (code: number | null, signal: NodeJS.Signals | null) => void): void
}

/** One child process. */
export interface Child {
  /** Its place, from 0: a successor has the same. */
  readonly index: number
  readonly channel: Channel<ToChild>
  /** `starting` → `serving` → `leaving` (ends by itself) → `gone`. */
  state: 'starting' | 'serving' | 'leaving' | 'gone'
}

/** Why the whole cannot go on. */
export interface Failure {
  readonly message: string
  /** Exit code for the whole. */
  readonly code: number
}

/** What a supervisor tells. */
export interface SupervisorEvents {
  message: [child: Child, message: Exclude<ToPrimary, QuestionMessage | AnswerMessage>]
  serving: [child: Child]
  /** A child has ended; expected: as it was told to. */
  gone: [child: Child, why: string, expected: boolean]
  failed: [failure: Failure]
}

interface Place {
  readonly index: number
  current: Tracked | undefined
  /** Deaths in a row. */
  deaths: number
  timer: Timer | undefined
}

interface Tracked extends Child {
  readonly handle: ProcessHandle
  readonly place: Place
  servingSince: number
  unanswered: number
  failure: Failure | undefined
}

/** The children of one primary. */
export class Supervisor extends EventEmitter<SupervisorEvents> {
  private readonly clock: Clock
  private readonly fork: () => ProcessHandle
  private readonly answersFor: (child: Child) => Answers
  private readonly places: Place[]
  private readonly alive = new Set<Tracked>()
  private ending = false
  private asking: Timer | undefined
  private emptied: (() => void) | undefined

  /** @param answersFor what a child may ask */
  constructor (processes: number, clock: Clock, fork: () => ProcessHandle, answersFor: (child: Child) => Answers) {
    super()
    this.clock = clock
    this.fork = fork
    this.answersFor = answersFor
    this.places = Array.from({ length: processes }, (_, index) => ({ index, current: undefined, deaths: 0, timer: undefined }))
  }

  /** Every process that runs, those that end included. */
  get children (): readonly Child[] {
    return [...this.alive]
  }

  /** How many take requests. */
  get serving (): number {
    return [...this.alive].filter(({ state }) => state === 'serving').length
  }

  /** Starts all; resolves when all serve, and rejects with a Failure where one cannot. */
  async start (): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const serving = (): void => {
        if (this.places.every(({ current }) => current?.state === 'serving')) done(resolve)
      }
      const failed = (failure: Failure): void => done(() => reject(new StartFailure(failure)))
      const done = (settle: () => void): void => {
        this.off('serving', serving)
        this.off('failed', failed)
        settle()
      }
      this.on('serving', serving)
      this.on('failed', failed)
      for (const place of this.places) this.launch(place)
    })
    this.askAll()
  }

  /** Has all children end as told, and kills those that take longer. Resolves when none is left. */
  async end (how: EndMessage): Promise<void> {
    this.ending = true
    this.asking?.cancel()
    for (const { timer } of this.places) timer?.cancel()
    for (const child of this.alive) {
      child.state = 'leaving'
      child.channel.post(how)
    }
    if (this.alive.size === 0) return
    const kill = this.clock.after(how.delayMs + how.timeoutMs + killMs, () => this.kill())
    await new Promise<void>(resolve => { this.emptied = resolve })
    kill.cancel()
  }

  /** Ends all children at once. */
  kill (): void {
    this.ending = true
    for (const { handle } of this.alive) handle.kill('SIGKILL')
  }

  private launch (place: Place): void {
    const handle = this.fork()
    const child: Tracked = {
      index: place.index,
      channel: new Channel<ToChild>((message, sent) => {
        if (child.state === 'gone') sent?.()
        else handle.send(message, sent ?? (() => {}))
      }, {}),
      state: 'starting',
      handle,
      place,
      servingSince: 0,
      unanswered: 0,
      failure: undefined
    }
    place.current = child
    this.alive.add(child)
    child.channel.answers = this.answersFor(child)
    handle.follow(message => this.take(child, message), (code, signal) => this.exited(child, code, signal))
  }

  private take (child: Tracked, message: ToPrimary): void {
    child.unanswered = 0
    switch (message.type) {
      case 'question':
      case 'answer':
        child.channel.take(message)
        return
      case 'listening':
        // the whole may have begun to end meanwhile
        if (child.state === 'starting') child.state = 'serving'
        child.servingSince = this.clock.now()
        this.emit('message', child, message)
        this.emit('serving', child)
        return
      case 'failed':
        child.failure = { message: message.message, code: message.code }
        return
      case 'leaving':
        // its requests may take long: its successor does not wait for them
        child.state = 'leaving'
        this.replace(child)
    }
    this.emit('message', child, message)
  }

  private exited (child: Tracked, code: number | null, signal: NodeJS.Signals | null): void {
    const { state, place } = child
    const started = child.servingSince > 0
    child.state = 'gone'
    this.alive.delete(child)
    child.channel.close()
    const why = signal === null ? `ended with ${code}` : `was ended by ${signal}`
    this.emit('gone', child, why, this.ending)
    if (this.ending) {
      if (this.alive.size === 0) this.emptied?.()
      return
    }
    const failure = child.failure ?? { message: `a process of the router ${why}`, code: exitCode(code, signal) }
    // one that never served will not do so the next time, when it is the first
    if (!started && place.deaths === 0) this.emit('failed', failure)
    else if (state !== 'leaving') this.replace(child, failure)
  }

  private replace (child: Tracked, failure?: Failure): void {
    const { place } = child
    if (this.ending || place.current !== child) return
    place.current = undefined
    const stable = child.servingSince > 0 && this.clock.now() - child.servingSince >= stableMs
    place.deaths = stable ? 1 : place.deaths + 1
    if (place.deaths > tooMany) {
      this.emit('failed', failure ?? { message: 'processes of the router end again and again', code: 1 })
      return
    }
    if (place.deaths === 1) this.launch(place)
    else place.timer = this.clock.after(Math.min(firstPauseMs * 2 ** (place.deaths - 2), longestPauseMs), () => this.launch(place))
  }

  /** A process that hangs gets no connection, but those it has hang with it. */
  private askAll (): void {
    this.asking = this.clock.after(askMs, () => {
      for (const child of this.alive) {
        if (child.unanswered++ >= patience) child.handle.kill('SIGKILL')
        else child.channel.ask('alive', undefined, askMs).catch(() => {})
      }
      this.askAll()
    })
  }
}

/** A start that failed. */
export class StartFailure extends Error {
  readonly code: number

  constructor ({ message, code }: Failure) {
    super(message)
    this.code = code
  }
}

/** As shells have it. */
function exitCode (code: number | null, signal: NodeJS.Signals | null): number {
  if (signal !== null) return 128 + (constants.signals[signal] ?? 0)
  return code === null || code === 0 ? 1 : code
}
