// The maker of a response is remembered, up to a bound, while it is part of the fleet.
import t from 'tap'
import { ResponseAffinity } from '../../core/response-affinity.ts'
import { Worker } from '../../core/worker.ts'

const worker = new Worker({ url: 'http://w1' })

t.test('the least recently used is forgotten first', async t => {
  const affinity = new ResponseAffinity(2)
  affinity.set('a', worker)
  affinity.set('b', worker)
  affinity.get('a')
  affinity.set('c', worker)
  t.same([affinity.get('a'), affinity.get('b'), affinity.get('c')], [worker, undefined, worker])
  affinity.set('a', worker)
  t.equal(affinity.size, 2)
})

t.test('nothing is remembered with no room', async t => {
  const affinity = new ResponseAffinity(0)
  affinity.set('a', worker)
  t.equal(affinity.size, 0)
})

t.test('a worker that is leaving is still asked, one that is gone is not', async t => {
  const affinity = new ResponseAffinity(2)
  const leaving = new Worker({ url: 'http://w2' })
  affinity.set('a', leaving)
  leaving.state = 'draining'
  t.equal(affinity.get('a'), leaving)
  leaving.state = 'gone'
  t.equal(affinity.get('a'), undefined)
  t.equal(affinity.size, 0)
})
