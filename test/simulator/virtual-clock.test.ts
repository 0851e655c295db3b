// Virtual time runs timers by time, equal ones by the order they were started, and goes no further than it is told.
import fc from 'fast-check'
import t from 'tap'
import { VirtualClock } from '../../simulator/index.ts'

t.test('any set of timers runs sorted and stable, without the cancelled ones', async t => {
  fc.assert(fc.property(fc.array(fc.record({ delay: fc.integer({ min: 0, max: 20 }), cancel: fc.boolean() })), timers => {
    const clock = new VirtualClock()
    const ran: number[] = []
    const handles = timers.map(({ delay }, at) => clock.after(delay, () => {
      if (clock.now() !== delay) throw new Error(`${delay} ran at ${clock.now()}`)
      ran.push(at)
    }))
    handles.forEach((handle, at) => { if (timers[at]?.cancel === true) handle.cancel() })
    const wanted = timers.map((timer, at) => ({ ...timer, at })).filter(timer => !timer.cancel)
      .sort((one, other) => one.delay - other.delay || one.at - other.at).map(timer => timer.at)
    return clock.run() === wanted.length && JSON.stringify(ran) === JSON.stringify(wanted) && clock.pending === 0
  }), { seed: 3 })
  t.pass()
})

t.test('run(until) leaves later timers and the time at until', async t => {
  const clock = new VirtualClock()
  const ran: string[] = []
  clock.after(10, () => {
    ran.push('ten')
    clock.after(5, () => ran.push('fifteen'))
    clock.after(0, () => ran.push('ten again'))
  })
  t.equal(clock.run(12), 2)
  t.same(ran, ['ten', 'ten again'])
  t.equal(clock.now(), 12)
  t.equal(clock.pending, 1)
  clock.run()
  t.same(ran, ['ten', 'ten again', 'fifteen'])
  t.equal(clock.now(), 15)
})
