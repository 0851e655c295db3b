// No more than maxNumSeqs requests run; the others wait their turn in the order they came.
import t from 'tap'
import { Engine, VirtualClock } from '../../simulator/index.ts'

t.test('ten requests on an engine for three', async t => {
  const clock = new VirtualClock()
  const engine = new Engine({ maxNumSeqs: 3 }, clock)
  const order: number[] = []
  let most = 0
  for (let request = 0; request < 10; request++) {
    engine.submit({
      prompt: [request],
      maxTokens: 5,
      onToken: () => { most = Math.max(most, engine.stats().running) },
      onFinished: () => order.push(request)
    })
  }
  t.equal(engine.load, 10)
  clock.run()
  t.equal(most, 3)
  t.same(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  t.equal(engine.load, 0)
  t.equal(clock.pending, 0, 'an idle engine has no timer')
})
