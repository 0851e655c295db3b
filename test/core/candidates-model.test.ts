// Candidate lists know their least loaded workers as a search through all workers would, after any sequence of leases and of news of other processes.
import fc from 'fast-check'
import t from 'tap'
import { Candidates } from '../../core/candidates.ts'
import { fleet, nth } from '../policies/setup.ts'

const step = fc.record({ kind: fc.constantFrom('acquire', 'acquire', 'release', 'release', 'replace', 'share'), worker: fc.nat(), members: fc.nat() })

t.test('any sequence, with two lists that share workers', async t => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 7 }), fc.array(step, { maxLength: 120, size: 'max' }), (count, steps) => {
    const workers = fleet(count)
    const lists = [new Candidates(workers), new Candidates(workers.slice(1))]
    for (const { kind, worker: which, members } of steps) {
      const worker = nth(workers, which % count)
      if (kind === 'acquire') worker.acquire()
      else if (kind === 'release' && worker.inFlight > worker.elsewhere) worker.release()
      else if (kind === 'share') worker.share(members % 6, members)
      else if (kind === 'replace') {
        lists[1]?.dispose()
        lists[1] = new Candidates(workers.filter((_, i) => (members >> i) % 2 === 1))
      }
      if (worker.inFlight < worker.elsewhere) throw new Error('fewer in all than elsewhere')
      for (const list of lists) {
        const loads = list.workers.map(worker => worker.inFlight)
        const low = loads.length === 0 ? 0 : Math.min(...loads)
        const high = loads.length === 0 ? 0 : Math.max(...loads)
        if (list.minInFlight !== low || list.maxInFlight !== high) throw new Error(`${list.minInFlight} to ${list.maxInFlight}, not ${low} to ${high}`)
        if (list.inFlight !== loads.reduce((sum, load) => sum + load, 0)) throw new Error(`${list.inFlight} in flight in all`)
        const least = list.workers.filter(worker => worker.inFlight === low)
        const told = least.map((_, i) => list.leastLoaded((i + 0.5) / least.length))
        if (new Set(told).size !== least.length || told.some(worker => worker === undefined || !least.includes(worker))) throw new Error('least loaded')
        if (list.leastLoaded(0) !== told[0] || list.leastLoaded(1 - Number.EPSILON) !== told.at(-1)) throw new Error('ends of the random range')
        for (const worker of workers) if (list.has(worker) !== list.workers.includes(worker)) throw new Error('membership')
      }
    }
  }), { seed: 41, numRuns: 300 })
  t.pass('no counterexample')
})

t.test('nobody', async t => {
  const none = new Candidates([])
  t.equal(none.leastLoaded(0), undefined)
  t.same([none.minInFlight, none.maxInFlight], [0, 0])
})

t.test('a list that was disposed of hears nothing more', async t => {
  const workers = fleet(2)
  const list = new Candidates(workers)
  list.dispose()
  nth(workers, 0).acquire()
  t.equal(list.maxInFlight, 0)
})
