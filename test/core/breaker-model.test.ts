// The breaker moves as a naive model of it does, for any sequence of requests, outcomes and passing time; trials stay within their bound.
import fc from 'fast-check'
import t from 'tap'
import { Breaker } from '../../core/breaker.ts'
import type { BreakerOptions, BreakerState, Trial } from '../../core/breaker.ts'
import type { Outcome } from '../../core/outcome.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

/** A request under way: what the breaker said of it, and since which of the model's moves it is there, where it is a trial. */
interface Request {
  readonly trial: Trial
  readonly since: number | undefined
}

/** The model keeps the whole story and works everything out from it anew. */
class Model {
  state: BreakerState = 'closed'
  moves = 0
  since = 0
  now = 0
  /** What ended since the last move, oldest first. */
  story: Array<{ at: number, outcome: Outcome }> = []
  requests: Request[] = []

  get trials (): number {
    return this.requests.filter(request => request.since === this.moves).length
  }

  move (state: BreakerState): void {
    this.state = state
    this.moves++
    this.since = this.now
    this.story = []
  }

  judge (options: BreakerOptions): void {
    const judged = this.story.filter(({ outcome }) => outcome !== 'neither')
    if (this.state === 'closed') {
      const row = judged.slice(judged.findLastIndex(({ outcome }) => outcome === 'success') + 1).slice(-options.failureThreshold)
      if (row.length === options.failureThreshold && row.every(({ at }) => this.now - at <= options.windowMs)) this.move('open')
    } else if (judged.at(-1)?.outcome === 'failure') this.move('open')
    else if (judged.length >= options.successThreshold) this.move('closed')
  }
}

const steps = fc.array(fc.oneof(
  { weight: 3, arbitrary: fc.constant({ kind: 'begin' as const }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(), outcome: fc.constantFrom<Outcome>('success', 'failure', 'failure', 'neither') }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 1500 }) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reset' as const }) }
), { maxLength: 150, size: 'max' })

const settings = fc.record({
  failureThreshold: fc.integer({ min: 1, max: 4 }),
  successThreshold: fc.integer({ min: 1, max: 3 }),
  openMs: fc.constantFrom(500, 1000),
  windowMs: fc.constantFrom(800, 3000),
  trials: fc.integer({ min: 1, max: 3 })
})

t.test('any sequence', { timeout: 120_000 }, async t => {
  const met = new Map<string, number>()
  await fc.assert(fc.asyncProperty(settings, steps, async (options, sequence) => {
    const clock = new ManualClock()
    const told: string[] = []
    const breaker = new Breaker(clock, () => options, ({ state }, from) => {
      told.push(`${from} ${state}`)
      met.set(`${from} ${state}`, (met.get(`${from} ${state}`) ?? 0) + 1)
    })
    const model = new Model()
    for (const step of sequence) {
      const before = model.state
      const move = model.moves
      told.length = 0
      if (step.kind === 'begin') {
        const admitted = model.state === 'half_open' && model.trials < options.trials
        const trial = breaker.begin()
        if ((trial !== 0) !== admitted) throw new Error(`trial ${trial} while ${model.state} with ${model.trials} under way`)
        model.requests.push({ trial, since: admitted ? model.moves : undefined })
      } else if (step.kind === 'end') {
        const [request] = model.requests.splice(step.which % Math.max(model.requests.length, 1), 1)
        if (request === undefined) continue
        breaker.end(request.trial, step.outcome)
        if (model.state === 'closed' || (model.state === 'half_open' && request.since === model.moves)) {
          model.story.push({ at: model.now, outcome: step.outcome })
          if (step.outcome !== 'neither') model.judge(options)
        }
      } else if (step.kind === 'wait') {
        await clock.advance(step.ms)
        model.now += step.ms
        if (model.state === 'open' && model.now - model.since >= options.openMs) model.move('half_open')
      } else {
        breaker.reset()
        if (model.state === 'closed') model.story = []
        else model.move('closed')
      }
      if (breaker.state !== model.state) throw new Error(`${breaker.state}, not ${model.state}`)
      if (breaker.trials !== (model.state === 'half_open' ? model.trials : 0)) throw new Error(`${breaker.trials} trials under way, not ${model.trials}`)
      if (breaker.trials < 0 || breaker.trials > options.trials) throw new Error('bound of trials')
      if (breaker.admits !== (model.state === 'closed' || (model.state === 'half_open' && model.trials < options.trials))) throw new Error('admits')
      if (model.state === 'open' && breaker.retryAt !== model.since + options.openMs) throw new Error('retryAt')
      if (told.join() !== (model.moves === move ? '' : `${before} ${model.state}`)) throw new Error(`told ${told.join()}`)
      if (clock.pending !== (model.state === 'open' ? 1 : 0)) throw new Error('timers')
    }
    breaker.dispose()
    if (clock.pending !== 0) throw new Error('a timer is left')
  }), { seed: 4, numRuns: 400 })
  for (const move of ['closed open', 'open half_open', 'half_open open', 'half_open closed', 'open closed']) t.ok((met.get(move) ?? 0) > 20, `${move}: ${met.get(move)} times`)
})

t.test('failures further apart than the window do not add up', async t => {
  const clock = new ManualClock()
  const options = { failureThreshold: 3, successThreshold: 1, openMs: 1000, windowMs: 1000, trials: 1 }
  const breaker = new Breaker(clock, () => options, () => {})
  for (let i = 0; i < 10; i++) {
    breaker.end(breaker.begin(), 'failure')
    await clock.advance(501)
  }
  t.equal(breaker.state, 'closed')
  breaker.end(breaker.begin(), 'failure')
  breaker.end(breaker.begin(), 'failure')
  t.equal(breaker.state, 'open')
})

t.test('options are read anew', async t => {
  const clock = new ManualClock()
  const options = { failureThreshold: 100, successThreshold: 1, openMs: 1000, windowMs: 1000, trials: 1 }
  const breaker = new Breaker(clock, () => options, () => {})
  for (let i = 0; i < 5; i++) breaker.end(breaker.begin(), 'failure')
  options.failureThreshold = 3
  breaker.end(breaker.begin(), 'failure')
  t.equal(breaker.state, 'open')
  await clock.advance(1000)
  breaker.begin()
  t.notOk(breaker.admits)
  options.trials = 2
  t.ok(breaker.admits)
})
