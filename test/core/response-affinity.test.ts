// The maker of a response is remembered, up to a bound.
import t from 'tap'
import { ResponseAffinity } from '../../core/response-affinity.ts'

t.test('the least recently used is forgotten first', async t => {
  const affinity = new ResponseAffinity(2)
  affinity.set('a', 'http://w1')
  affinity.set('b', 'http://w1')
  affinity.get('a')
  affinity.set('c', 'http://w2')
  t.same([affinity.get('a'), affinity.get('b'), affinity.get('c')], ['http://w1', undefined, 'http://w2'])
  affinity.set('a', 'http://w2')
  t.same([affinity.size, affinity.get('a')], [2, 'http://w2'])
})

t.test('nothing is remembered with no room', async t => {
  const affinity = new ResponseAffinity(0)
  affinity.set('a', 'http://w1')
  t.equal(affinity.size, 0)
})
