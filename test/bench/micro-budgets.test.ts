// Each hot piece of the router keeps to its budget of CPU, by a factor that leaves room for a busy machine.
import t from 'tap'
import { allPieces } from '../../bench/micro/all.ts'
import { microseconds, quick, thorough } from '../../bench/micro/piece.ts'

const factor = 10

t.test('pieces', async t => {
  for (const piece of allPieces([2, 1000])) {
    let took = microseconds(piece, quick)
    // code that was not compiled yet is many times slower
    if (took > piece.budgetUs * factor) took = microseconds(piece, thorough)
    t.ok(took <= piece.budgetUs * factor, `${piece.name}: ${took.toFixed(2)} µs, budget ${piece.budgetUs} µs`)
  }
})

t.test('the measurement sees a piece that takes too long', async t => {
  const slow = { name: 'slow', budgetUs: 1, run: () => Array.from({ length: 10_000 }, (_, at) => at).length }
  t.ok(microseconds(slow, quick) > factor)
})
