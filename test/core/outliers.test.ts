// A worker far worse than its peers loses its traffic within seconds and gets it back; equal workers never lose any; never too many at a time.
import fc from 'fast-check'
import t from 'tap'
import { floor } from '../../core/outliers.ts'
import { createPolicy } from '../../policies/index.ts'
import type { Policy } from '../../policies/policy.ts'
import { context, nth } from '../policies/setup.ts'
import { around, outlierFleet, quantile, share } from './outliers-fleet.ts'

const named = (name: string): Policy => createPolicy(name, {}, context())
const policies = ['round_robin', 'random', 'power_of_two', 'cache_aware', 'consistent_hash', 'rendezvous_hash']

for (const name of policies) {
  t.test(`one of eight slow by ten, ${name}`, async t => {
    const healthy = outlierFleet(7, named(name), around(50, 0.2))
    await healthy.run(30_000)
    const fleet = outlierFleet(8, named(name), around(50, 0.2))
    const slow = nth(fleet.workers, 3)
    await fleet.run(3000)
    t.equal(fleet.most, 0, 'all are equal')
    fleet.behaviours.set(slow, around(500, 0.2))
    await fleet.run(4000)
    // a policy that looks at load sends it less, so that there is less to learn from and less to lose
    t.ok(slow.weight <= 0.05, `its weight is ${slow.weight} after four seconds`)
    await fleet.run(30_000)
    const probes = share(fleet, slow, 7000)
    t.ok(probes <= 0.005, `${probes} of the requests go on probing it`)
    t.ok(probes > 0, 'it is tried all the same')
    t.equal(fleet.most, 1, 'nobody else lost any')
    const [here, there] = [quantile(fleet, 0.99, 7000), quantile(healthy, 0.99, 7000)]
    t.ok(here <= 1.2 * there, `99 of 100 first bytes come within ${here} ms, ${there} ms with healthy workers only`)

    fleet.behaviours.set(slow, around(50, 0.2))
    await fleet.run(60_000)
    t.equal(slow.weight, 1, 'it got its traffic back')
    const back = share(fleet, slow, 80_000)
    t.ok(back > 0.05, `${back} of the requests`)
  })

  t.test(`one of eight fails at once, ${name}`, async t => {
    const fleet = outlierFleet(8, named(name), around(50, 0.2))
    const failing = nth(fleet.workers, 5)
    fleet.behaviours.set(failing, () => 'fail')
    await fleet.run(10_000)
    t.ok(share(fleet, failing, 0) < 0.05, `it got ${share(fleet, failing, 0)} of the requests; a fair share is 0.125`)
    t.equal(fleet.most, 1)
    fleet.behaviours.set(failing, around(50, 0.2))
    await fleet.run(90_000)
    t.equal(failing.weight, 1, 'it got its traffic back')
  })

  t.test(`one of eight hangs, ${name}`, async t => {
    const fleet = outlierFleet(8, named(name), around(50, 0.2))
    await fleet.run(3000)
    const hanging = nth(fleet.workers, 0)
    fleet.behaviours.set(hanging, () => 'hang')
    await fleet.run(4000)
    const lost = 160 * share(fleet, hanging, 3000)
    t.ok(lost <= 15, `${lost} requests hang: of 20 that are its share in as many seconds as it may take`)
    await fleet.run(20_000)
    t.ok(share(fleet, hanging, 7000) <= 0.005)
  })
}

t.test('without detection the failing worker is everybody\'s favourite', async t => {
  for (const name of ['power_of_two', 'cache_aware']) {
    const fleet = outlierFleet(8, named(name), around(50, 0.2), { enabled: false })
    fleet.behaviours.set(nth(fleet.workers, 5), () => 'fail')
    await fleet.run(10_000)
    t.ok(share(fleet, nth(fleet.workers, 5), 0) > 0.125, `${name}: that is what the tests above are about`)
  }
})

t.test('weights go down and up step by step', async t => {
  const fleet = outlierFleet(8, named('round_robin'), around(50, 0.2))
  const slow = nth(fleet.workers, 0)
  fleet.behaviours.set(slow, around(500, 0.2))
  const seen = new Set<number>()
  for (let i = 0; i < 40; i++) {
    await fleet.run(100)
    seen.add(slow.weight)
  }
  t.same([...seen], [1, 0.5, 0.25, 0.125, 0.0625, 0.03125, floor])
  fleet.behaviours.set(slow, around(50, 0.2))
  let last = slow.weight
  let steps = 0
  while (last < 1) {
    await fleet.run(250)
    t.ok(slow.weight <= Math.max(last * 1.6, floor), 'no jump')
    if (slow.weight > last) steps++
    last = slow.weight
    if (fleet.clock.now() > 120_000) break
  }
  t.equal(last, 1)
  t.ok(steps > 8)
})

t.test('never more than the allowed part', async t => {
  for (const [count, maxPercent, bad, most] of [[8, 30, 4, 2], [3, 30, 1, 1], [10, 50, 4, 4], [8, 0, 3, 0], [2, 100, 1, 0]] as const) {
    const fleet = outlierFleet(count, named('round_robin'), around(50, 0.2), { maxPercent })
    fleet.workers.slice(0, bad).forEach((worker, i) => fleet.behaviours.set(worker, i % 2 === 0 ? around(800 + 100 * i, 0.1) : () => 'fail'))
    await fleet.run(15_000)
    t.equal(fleet.most, most, `${bad} bad ones of ${count} with ${maxPercent} %`)
  }
})

t.test('a few calls are no evidence', async t => {
  const fleet = outlierFleet(8, named('round_robin'), around(50, 0.1))
  fleet.behaviours.set(nth(fleet.workers, 0), around(500, 0.1))
  // four calls to each
  await fleet.run(800)
  await fleet.clock.advance(5000)
  t.equal(fleet.most, 0)
  await fleet.run(800)
  await fleet.clock.advance(2000)
  t.equal(fleet.most, 1, 'eight are')
})

t.test('one failure costs nothing, two in a row do at once', async t => {
  const fleet = outlierFleet(4, named('round_robin'), around(50, 0.1))
  const worker = nth(fleet.workers, 0)
  fleet.outliers.ended(worker, {}, 'failure')
  t.equal(worker.weight, 1)
  fleet.outliers.ended(worker, {}, 'neither')
  t.equal(worker.weight, 1)
  fleet.outliers.ended(worker, {}, 'failure')
  t.equal(worker.weight, 0.5)
  t.ok(worker.holds.has('outlier'))
  fleet.outliers.forgive(worker)
  t.equal(worker.weight, 1)
  t.notOk(worker.holds.has('outlier'))
})

t.test('all failing at the same time is nobody\'s fault', async t => {
  const fleet = outlierFleet(8, named('round_robin'), () => 'fail')
  await fleet.run(10_000)
  t.ok(fleet.workers.filter(worker => worker.weight < 1).length <= 2)
  t.equal(fleet.registry.candidates('regular').workers.length >= 6, true)
})

t.test('an outlier is picked where nobody else is left', async t => {
  const fleet = outlierFleet(3, named('round_robin'), around(50, 0.1))
  const [worker, ...others] = fleet.workers
  if (worker === undefined) throw new Error('no worker')
  fleet.outliers.ended(worker, {}, 'failure')
  fleet.outliers.ended(worker, {}, 'failure')
  t.same(fleet.registry.candidates('regular').workers, others)
  for (const other of others) fleet.registry.setState(other, 'unhealthy', 'test')
  t.same(fleet.registry.candidates('regular').workers, [worker])
})

t.test('workers of different models are not compared', async t => {
  const fleet = outlierFleet(8, named('round_robin'), around(50, 0.1))
  fleet.workers.forEach((worker, i) => {
    fleet.registry.setModels(worker, new Map([[i < 4 ? 'small' : 'large', {}]]))
    if (i >= 4) fleet.behaviours.set(worker, around(1000, 0.1))
  })
  await fleet.run(10_000)
  t.equal(fleet.most, 0)
})

t.test('one huge prompt makes no outlier', async t => {
  const fleet = outlierFleet(8, named('round_robin'), around(50, 0.1))
  let number = 0
  for (const worker of fleet.workers) fleet.behaviours.set(worker, random => number++ % 97 === 0 ? 20_000 : around(50, 0.1)(random))
  await fleet.run(30_000)
  t.equal(fleet.most, 0)
})

t.test('equal workers are never outliers, whatever chance does', { timeout: 120_000 }, async t => {
  await fc.assert(fc.asyncProperty(fc.nat(), fc.integer({ min: 3, max: 12 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 5, max: 2000 }), async (seed, count, sigma, usual) => {
    const fleet = outlierFleet(count, createPolicy('round_robin', {}, context(seed)), around(usual, sigma), { seed })
    await fleet.run(15_000)
    return fleet.most === 0
  }), { seed: 7, numRuns: 25 })
  t.pass('no counterexample')
})

t.test('nothing going on, nothing to judge', async t => {
  const fleet = outlierFleet(4, named('round_robin'), around(50, 0.1), { enabled: false })
  t.equal(fleet.outliers.tick(), false)
  fleet.outliers.assigned(nth(fleet.workers, 0))
  t.equal(fleet.outliers.tick(), true)
  t.equal(fleet.outliers.tick(), false)
  fleet.outliers.remove(nth(fleet.workers, 0))
  fleet.outliers.assigned(nth(fleet.workers, 0))
  t.equal(fleet.outliers.tick(), false, 'a worker that is gone is forgotten')
})
