// An open-loop load: requests leave at random moments at a steady rate, whatever becomes of those before.
import { Agent, request } from 'undici'
import { quantile } from './figures.ts'
import { randomFrom } from './random.ts'
import { shots } from './requests.ts'
import type { Shot } from './requests.ts'
import { pause } from './wait.ts'

/** `ok`; `refused`: no byte of an answer but an error; `broken`: an answer that began and did not end as it should. */
export type Fate = 'ok' | 'refused' | 'broken'

/** What became of one request. Moments in milliseconds since the load began. */
export interface Outcome {
  readonly fate: Fate
  readonly path: string
  readonly stream: boolean
  readonly sentAt: number
  /** Milliseconds to the first byte of the body. */
  readonly firstByteMs: number | undefined
  readonly endedAt: number
  /** Status, or what went wrong. */
  readonly why: string
}

/** How a load is made. */
export interface LoadOptions {
  /** Where the next request goes. */
  readonly to: () => string
  readonly perSecond: number
  readonly seed?: number
  /** Longest a request may take, in milliseconds. Default 30,000. */
  readonly patienceMs?: number
}

const running = new Set<Load>()

/** Ends every load that a scenario left behind. */
export function abandonLoads (): void {
  for (const load of running) load.abandon()
}

/** A load under way. */
export class Load {
  readonly outcomes: Outcome[] = []
  sent = 0
  private readonly startedAt = performance.now()
  private readonly options: LoadOptions
  private readonly agent = new Agent({ connections: 512, pipelining: 1, keepAliveTimeout: 1000, headersTimeout: 0, bodyTimeout: 0 })
  private readonly pending = new Set<Promise<void>>()
  private readonly running: Promise<void>
  private stopped = false

  constructor (options: LoadOptions) {
    this.options = options
    running.add(this)
    this.running = this.run()
  }

  /** Milliseconds since it began. */
  get now (): number {
    return performance.now() - this.startedAt
  }

  /** Sends no more; resolves with all outcomes when the last answer has come. */
  async stop (): Promise<Outcome[]> {
    this.stopped = true
    await this.running
    await Promise.all(this.pending)
    await this.agent.destroy()
    running.delete(this)
    return this.outcomes
  }

  /** Sends no more and waits for nothing. */
  abandon (): void {
    this.stopped = true
    running.delete(this)
    void this.agent.destroy()
  }

  private async run (): Promise<void> {
    const { perSecond, seed = 1 } = this.options
    const random = randomFrom(seed)
    const row = shots(seed)
    let due = this.now
    while (!this.stopped) {
      due += -Math.log(1 - random()) * 1000 / perSecond
      const shot = row.next().value
      const left = due - this.now
      if (left > 1) await pause(left)
      if (this.stopped) return
      const one = this.shoot(shot).finally(() => this.pending.delete(one))
      this.pending.add(one)
    }
  }

  private async shoot (shot: Shot): Promise<void> {
    this.sent++
    const sentAt = this.now
    let firstByteMs: number | undefined
    let fate: Fate = 'ok'
    let why = '200'
    try {
      const { statusCode, body } = await request(this.options.to() + shot.path, {
        dispatcher: this.agent, method: 'POST', headers: shot.headers, body: shot.body, signal: AbortSignal.timeout(this.options.patienceMs ?? 30_000)
      })
      let text = ''
      for await (const chunk of body) {
        firstByteMs ??= this.now - sentAt
        text += (chunk as Buffer).toString('latin1')
      }
      if (statusCode !== 200) {
        fate = 'refused'
        why = `${statusCode} ${text.slice(0, 200)}`
      } else if (shot.stream ? !text.endsWith('data: [DONE]\n\n') || text.includes('"error"') : !text.endsWith('}')) {
        fate = 'broken'
        why = `ends with ${JSON.stringify(text.slice(-160))}`
      }
    } catch (error) {
      fate = firstByteMs === undefined ? 'refused' : 'broken'
      why = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    }
    this.outcomes.push({ fate, path: shot.path, stream: shot.stream, sentAt, firstByteMs, endedAt: this.now, why })
  }
}

/** Outcomes in short. */
export interface Tally {
  readonly requests: number
  readonly ok: number
  readonly refused: number
  readonly broken: number
  /** Per cent of the requests without a first byte that got an answer: all but the refused ones. */
  readonly successPercent: number
  /** What was refused or broken and why, by frequency. */
  readonly reasons: string
}

/** Counts outcomes. */
export function tally (outcomes: readonly Outcome[]): Tally {
  const count = (fate: Fate): number => outcomes.filter(outcome => outcome.fate === fate).length
  const reasons = new Map<string, number>()
  for (const { fate, path, why } of outcomes) {
    if (fate === 'ok') continue
    const text = `${fate} ${path} ${why}`
    reasons.set(text, (reasons.get(text) ?? 0) + 1)
  }
  const refused = count('refused')
  return {
    requests: outcomes.length,
    ok: count('ok'),
    refused,
    broken: count('broken'),
    successPercent: outcomes.length === 0 ? 0 : 100 * (1 - refused / outcomes.length),
    reasons: [...reasons].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([text, times]) => `${times} × ${text}`).join('; ')
  }
}

/** Times to the first byte of the streams that were sent between two moments. */
export function ttft (outcomes: readonly Outcome[], from = 0, to = Infinity): { p50: number, p99: number, streams: number } {
  const times = outcomes.filter(({ fate, stream, sentAt }) => stream && fate !== 'refused' && sentAt >= from && sentAt < to)
    .flatMap(({ firstByteMs }) => firstByteMs ?? [])
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), streams: times.length }
}
