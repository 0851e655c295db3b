// Many things are done at once, but never more than allowed, and their results keep their order.
import t from 'tap'
import { setImmediate } from 'node:timers/promises'
import { inBatches } from '../../core/batches.ts'

t.test('width and order', async t => {
  let running = 0
  let most = 0
  const results = await inBatches(Array.from({ length: 20 }, (_, i) => i), 3, async i => {
    most = Math.max(most, ++running)
    for (let turns = 0; turns < i % 4; turns++) await setImmediate()
    running--
    return i * 2
  })
  t.same(results, Array.from({ length: 20 }, (_, i) => i * 2))
  t.equal(most, 3)
  t.same(await inBatches([], 3, async () => t.fail('nothing to do')), [])
})

t.test('the first failure is told', async t => {
  await t.rejects(inBatches([1, 2, 3], 2, async i => { if (i === 2) throw new Error('two') }), { message: 'two' })
})
