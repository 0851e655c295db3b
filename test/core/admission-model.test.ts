// Admission equals a naive model of it after any sequence of arrivals, departures and pauses: never too many, in order, and no place lost.
import fc from 'fast-check'
import t from 'tap'
import { Admission } from '../../core/admission.ts'
import type { Ticket, Verdict } from '../../core/admission.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

const seed = 20_261_122

interface Model {
  state: 'waiting' | 'in' | 'refused' | 'late' | 'left'
  since: number
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('enter' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('leave' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pause' as const), ms: fc.integer({ min: 1, max: 700 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('bound' as const), max: fc.integer({ min: 1, max: 4 }) }) }
)

t.test('any sequence', async t => {
  t.comment(`seed ${seed}`)
  const reached = new Set<Verdict>()
  await fc.assert(fc.asyncProperty(fc.integer({ min: 0, max: 3 }), fc.array(step, { maxLength: 60, size: 'max' }), async (queueSize, steps) => {
    const clock = new ManualClock()
    const options = { maxConcurrent: 2, queueSize, queueTimeoutMs: 1000, ratePerSecond: undefined }
    const admission = new Admission(clock, () => options)
    const models: Model[] = []
    const tickets: Ticket[] = []
    const verdicts: Array<Verdict[]> = []
    /** The order in which they came in. */
    const order: number[] = []

    function settle (): void {
      for (const model of models) {
        if (models.filter(one => one.state === 'in').length >= options.maxConcurrent) break
        if (model.state === 'waiting') model.state = 'in'
      }
    }

    for (const step of steps) {
      if (step.kind === 'enter') {
        const n = models.length
        const free = models.filter(one => one.state === 'in').length < options.maxConcurrent
        const waiting = models.filter(one => one.state === 'waiting').length
        models.push({ state: waiting === 0 && free ? 'in' : waiting >= queueSize ? 'refused' : 'waiting', since: clock.now() })
        const said: Verdict[] = []
        verdicts.push(said)
        tickets.push(admission.enter(verdict => {
          reached.add(verdict)
          said.push(verdict)
          if (verdict === 'admitted') order.push(n)
        }))
      } else if (step.kind === 'leave' && tickets.length > 0) {
        const n = step.which % tickets.length
        const model = models[n]
        // a second departure of the same one must change nothing
        tickets[n]?.leave()
        tickets[n]?.leave()
        if (model?.state === 'in' || model?.state === 'waiting') model.state = 'left'
        settle()
      } else if (step.kind === 'pause') {
        await clock.advance(step.ms)
        for (const model of models) if (model.state === 'waiting' && clock.now() - model.since >= options.queueTimeoutMs) model.state = 'late'
      } else if (step.kind === 'bound') {
        options.maxConcurrent = step.max
        admission.advance()
        settle()
      }
      const inside = models.filter(one => one.state === 'in').length
      if (admission.inFlight !== inside) throw new Error(`${admission.inFlight} in flight, not ${inside}`)
      const waiting = models.filter(one => one.state === 'waiting').length
      if (admission.waiting !== waiting) throw new Error(`${admission.waiting} wait, not ${waiting}`)
      if (waiting > queueSize) throw new Error(`${waiting} wait, more than ${queueSize}`)
      for (const [n, model] of models.entries()) {
        const said = verdicts[n]?.join()
        const wanted = { waiting: [''], in: ['admitted'], refused: ['queue_full'], late: ['timed_out'], left: ['', 'admitted'] }[model.state]
        if (!wanted.includes(said ?? '')) throw new Error(`${n} is ${model.state} and was told ${said}`)
      }
      if (order.some((n, i) => i > 0 && n < (order[i - 1] ?? 0))) throw new Error(`not in order: ${order.join()}`)
    }
    for (const ticket of tickets) ticket.leave()
    if (admission.inFlight !== 0 || admission.waiting !== 0 || clock.pending !== 0) throw new Error('something is left')
  }), { seed, numRuns: 300 })
  t.same([...reached].sort(), ['admitted', 'queue_full', 'timed_out'], 'every verdict was reached')
})

t.test('no more a second than the rate, after one second\'s worth at once', async t => {
  await fc.assert(fc.asyncProperty(
    fc.double({ min: 0.2, max: 50, noNaN: true }), fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 5, maxLength: 40 }),
    async (rate, pauses) => {
      const clock = new ManualClock()
      const admission = new Admission(clock, () => ({ maxConcurrent: 1_000_000, queueSize: 1_000_000, queueTimeoutMs: 1e9, ratePerSecond: rate }))
      const times: number[] = []
      let asked = 0
      for (const pause of pauses) {
        for (let i = 0; i < 5; i++) admission.enter(() => times.push(clock.now()))
        asked += 5
        // who waits does so for one token at most: the next turn is no further away
        if (admission.waiting > 0 && (clock.nextIn ?? Infinity) > 1000 / rate + 1) throw new Error(`${clock.nextIn} ms for one at ${rate} a second`)
        await clock.advance(pause)
      }
      if (times.length + admission.waiting !== asked) throw new Error('somebody is lost')
      for (const [first, from] of times.entries()) {
        for (let last = first; last < times.length; last++) {
          const allowed = Math.max(rate, 1) + ((times[last] ?? 0) - from) / 1000 * rate
          if (last - first + 1 > allowed + 1e-6) throw new Error(`${last - first + 1} within ${(times[last] ?? 0) - from} ms at ${rate} a second`)
        }
      }
      admission.dispose()
      if (clock.pending !== 0) throw new Error('a timer is left')
    }
  ), { seed, numRuns: 100 })
  t.pass('no counterexample')
})

t.test('a long queue of requests that leave as soon as they come in', async t => {
  const clock = new ManualClock()
  const options = { maxConcurrent: 1, queueSize: 100_000, queueTimeoutMs: 1000, ratePerSecond: undefined }
  const admission = new Admission(clock, () => options)
  const first = admission.enter(() => {})
  let admitted = 0
  for (let i = 0; i < 100_000; i++) {
    const ticket = admission.enter(() => {
      admitted++
      ticket.leave()
    })
  }
  first.leave()
  t.equal(admitted, 100_000)
  t.equal(admission.inFlight, 0)
})

t.test('a very low rate sets no timer that Node cannot hold', async t => {
  const clock = new ManualClock()
  const admission = new Admission(clock, () => ({ maxConcurrent: 9, queueSize: 9, queueTimeoutMs: 1000, ratePerSecond: 1e-9 }))
  const verdicts: Verdict[] = []
  admission.enter(verdict => verdicts.push(verdict))
  admission.enter(verdict => verdicts.push(verdict))
  t.same(verdicts, ['admitted'], 'the first needs no wait')
  await clock.advance(1000)
  t.same(verdicts, ['admitted', 'timed_out'])
  t.ok((clock.nextIn ?? 0) < 2 ** 31)
})
