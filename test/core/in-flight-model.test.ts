// What is in flight is what was put in and not taken out, whatever the order.
import fc from 'fast-check'
import t from 'tap'
import { InFlight } from '../../core/in-flight.ts'

t.test('as a set', async t => {
  fc.assert(fc.property(fc.array(fc.nat(20)), steps => {
    const inFlight = new InFlight<number>()
    const model = new Map<number, () => void>()
    let next = 0
    for (const step of steps) {
      const [oldest] = model
      if (step < 12 || oldest === undefined) model.set(++next, inFlight.add(next))
      else {
        const [item, over] = [...model][step % model.size] ?? oldest
        over()
        over()
        model.delete(item)
      }
      t.equal(inFlight.size, model.size)
      t.strictSame([...inFlight].sort((a, b) => a - b), [...model.keys()])
    }
  }), { numRuns: 50 })
})
