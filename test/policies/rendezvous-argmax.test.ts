// Rendezvous takes the candidate whose hash with the key is highest, whatever the order of the list and though it remembers answers.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import { rendezvousHash } from '../../policies/index.ts'
import { ringHashHex } from '../../policies/ring-hash.ts'
import { routing } from '../helpers/routing.ts'
import { context, fleet } from './setup.ts'

t.test('the highest of all', async t => {
  const workers = fleet(7)
  const policy = rendezvousHash(context())
  const lists = [new Candidates(workers), new Candidates(workers.toReversed()), new Candidates(workers.slice(2, 5))]
  for (let i = 0; i < 300; i++) {
    const request = routing({ session: `session:${i}` })
    for (const candidates of lists) {
      const sorted = candidates.workers.toSorted((a, b) => ringHashHex(`session:${i}:${a.id}`) < ringHashHex(`session:${i}:${b.id}`) ? 1 : -1)
      for (const time of ['first', 'second']) {
        if (policy.pick(candidates, request).worker !== sorted[0]) t.fail(`key ${i}, asked the ${time} time`)
      }
    }
  }
})

t.test('more keys than are remembered', async t => {
  const candidates = new Candidates(fleet(3))
  const policy = rendezvousHash(context())
  const first = Array.from({ length: 12_000 }, (_, i) => policy.pick(candidates, routing({ session: `session:${i}` })).worker)
  first.forEach((worker, i) => {
    if (policy.pick(candidates, routing({ session: `session:${i}` })).worker !== worker) t.fail(`key ${i} moved`)
  })
})

t.test('memory for remembered keys is bounded', async t => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const candidates = new Candidates(fleet(2))
  const policy = rendezvousHash(context())
  const grown = (from: number, to: number): number => {
    gc()
    const before = process.memoryUsage().heapUsed
    for (let i = from; i < to; i++) policy.pick(candidates, routing({ session: `session:${i}:`.padEnd(240, 'x') }))
    gc()
    return (process.memoryUsage().heapUsed - before) / 1e6
  }
  const first = grown(0, 10_000)
  t.ok(first > 2, `${first.toFixed(1)} MB for 10,000 keys`)
  const more = grown(10_000, 60_000)
  t.ok(more < first, `${more.toFixed(1)} MB for 50,000 more`)
})

t.test('very long keys still tell sessions apart', async t => {
  const candidates = new Candidates(fleet(8))
  const policy = rendezvousHash(context())
  const chosen = new Set(Array.from({ length: 200 }, (_, i) => policy.pick(candidates, routing({ session: 'x'.repeat(5000) + i })).worker))
  t.equal(chosen.size, 8)
})
