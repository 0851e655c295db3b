// The account learns a worker's true prefill rate from first bytes alone: at little and at much load, with chunked prefill, and when it changes.
import t from 'tap'
import { OutstandingWork } from '../../policies/outstanding-work.ts'
import type { Routing } from '../../policies/policy.ts'
import { Engine } from '../../simulator/engine.ts'
import type { EngineOptions } from '../../simulator/engine-options.ts'
import { VirtualClock } from '../../simulator/virtual-clock.ts'
import { nth, ready, seeded } from './setup.ts'

interface Load {
  /** Part of the engine's prefill rate that is asked for. */
  readonly share: number
  readonly prompt: (random: number) => number
  readonly answer: number
  readonly count: number
  /** Part of the requests whose answers come whole. */
  readonly whole?: number
  /** Part of the requests that fail at once, and whose client leaves before the first byte. */
  readonly failing?: number
  readonly leaving?: number
}

const exponential = (mean: number) => (random: number): number => Math.ceil(-Math.log(1 - random) * mean)
const uniform = (from: number, to: number) => (random: number): number => Math.round(from + (to - from) * random)

class Bench {
  readonly clock = new VirtualClock()
  readonly work = new OutstandingWork(() => this.clock.now())
  private readonly random = seeded(7)
  private readonly worker = ready('http://w:8000')
  private nextBlock = 1

  constructor () {
    this.work.added(this.worker)
  }

  /** Tokens a second. */
  get learned (): number {
    return 1000 / this.work.fleet.perToken
  }

  get pending (): number {
    return this.work.loads.pendingAt(this.work.slotOf(this.worker))
  }

  /** Sends requests, one after the other at random moments, to an engine of its own. */
  play (options: EngineOptions, load: Load): void {
    const { clock, random } = this
    const engine = new Engine(options, clock)
    const mean = Array.from({ length: 500 }, (_, at) => load.prompt((at + 0.5) / 500)).reduce((sum, one) => sum + one, 0) / 500
    const pause = mean / engine.options.prefillRate * 1000 / load.share
    let sent = 0
    const next = (): void => {
      if (sent++ >= load.count) return
      this.send(engine, load)
      clock.after(-Math.log(1 - random()) * pause, next)
    }
    next()
    clock.run()
  }

  private send (engine: Engine, { prompt, answer, whole = 0, failing = 0, leaving = 0 }: Load): void {
    const { clock, work, worker, random } = this
    const tokens = prompt(random())
    const routing: Routing = {
      model: 'm', stream: random() >= whole, session: undefined, opening: undefined, header: () => undefined, prefix: { hashes: [], ends: [], length: tokens * 4 }
    }
    const at = clock.now()
    work.dispatched(worker, routing, tokens)
    const none = { firstByteMs: undefined, durationMs: 1, promptTokens: undefined, cachedTokens: undefined, completionTokens: undefined }
    if (random() < failing) {
      clock.after(1, () => {
        work.firstByte(worker, routing)
        work.finished(worker, routing, { ...none, ok: false })
      })
      return
    }
    const output = Math.max(1, Math.round(answer * (0.2 + 1.6 * random())))
    const blocks = Array.from({ length: Math.floor(tokens / engine.options.blockSize) }, () => this.nextBlock++)
    let over = false
    const handle = engine.submit({
      prompt: { blocks, tokens },
      maxTokens: output,
      onToken: index => { if (index === 0 && !over && routing.stream === true) work.firstByte(worker, routing) },
      onFinished: () => {
        if (over) return
        over = true
        if (routing.stream === false) work.firstByte(worker, routing)
        work.finished(worker, routing, { ok: true, firstByteMs: 1, durationMs: clock.now() - at, promptTokens: tokens, cachedTokens: 0, completionTokens: output })
      }
    })
    if (random() >= leaving) return
    clock.after(1, () => {
      if (over) return
      over = true
      handle.abort()
      work.finished(worker, routing, { ...none, ok: false })
    })
  }
}

const h100: EngineOptions = { prefillRate: 40_000, interTokenLatencyMs: 7, interTokenSlopeMs: 0.05, maxNumBatchedTokens: 8192, blockSize: 16, kvBlocks: 24_000 }
const small: EngineOptions = { prefillRate: 3_000, interTokenLatencyMs: 30, interTokenSlopeMs: 0.2, maxNumBatchedTokens: 2048, blockSize: 16, kvBlocks: 24_000 }

const engines: ReadonlyArray<readonly [string, EngineOptions]> = [
  ['large steps', h100], ['steps of 2,048', { ...h100, maxNumBatchedTokens: 2048 }], ['steps of 512', { ...h100, prefillRate: 20_000, maxNumBatchedTokens: 512 }], ['a small one', small]
]
const prompts: ReadonlyArray<readonly [string, (random: number) => number]> = [
  ['short', exponential(1000)], ['long', exponential(8000)], ['all of 4,000', () => 4000], ['between 200 and 3,000', uniform(200, 3000)]
]

for (const [engine, options] of engines) {
  t.test(engine, async t => {
    for (const [kind, prompt] of prompts) {
      for (const share of [0.05, 0.5, 0.9]) {
        const bench = new Bench()
        bench.play(options, { share, prompt, answer: 10, count: 600 })
        const ratio = bench.learned / nth([options.prefillRate ?? 1], 0)
        t.ok(Math.abs(ratio - 1) <= 0.1, `${kind} prompts, ${share} of what it can: ${ratio.toFixed(3)} of the true rate`)
        t.ok(Math.abs(bench.pending) < 1e-6, 'nothing is left charged')
      }
    }
  })
}

t.test('beside long answers', async t => {
  for (const share of [0.05, 0.3]) {
    const bench = new Bench()
    bench.play(h100, { share, prompt: exponential(2000), answer: 200, count: 1000 })
    t.ok(Math.abs(bench.learned / 40_000 - 1) <= 0.1, `${bench.learned}`)
    const slope = bench.work.fleet.slope / 0.05
    t.ok(slope > 0.5 && slope < 2, `an answer more: ${slope.toFixed(2)} of what it costs`)
  }
})

t.test('beside answers that come whole, errors, and clients that leave', async t => {
  for (const more of [{ whole: 0.5 }, { failing: 0.1 }, { leaving: 0.1 }]) {
    const bench = new Bench()
    bench.play(h100, { share: 0.3, prompt: exponential(4000), answer: 20, count: 3000, ...more })
    t.ok(Math.abs(bench.learned / 40_000 - 1) <= 0.1, `${JSON.stringify(more)}: ${bench.learned}`)
    t.ok(Math.abs(bench.pending) < 1e-6, 'nothing is left charged')
  }
})

t.test('answers that all come whole teach nothing, and are not charged for ever', async t => {
  const bench = new Bench()
  bench.play(h100, { share: 0.3, prompt: exponential(4000), answer: 200, count: 300, whole: 1 })
  t.equal(bench.learned, 10_000, 'the start value')
  t.equal(bench.pending, 0)
})

t.test('another speed is followed', async t => {
  const bench = new Bench()
  bench.play(h100, { share: 0.5, prompt: exponential(2000), answer: 20, count: 500 })
  for (const prefillRate of [20_000, 60_000, 10_000]) {
    bench.play({ ...h100, prefillRate }, { share: 0.5, prompt: exponential(2000), answer: 20, count: 500 })
    t.ok(Math.abs(bench.learned / prefillRate - 1) <= 0.1, `${bench.learned.toFixed(0)} of ${prefillRate}`)
  }
})
