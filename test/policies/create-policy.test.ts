// Policies are made by name; an unknown name is told the known ones.
import t from 'tap'
import { createPolicy, isPolicyName, policyNames } from '../../policies/index.ts'
import { context } from './setup.ts'

t.test('known names', async t => {
  t.same(policyNames, ['cache_aware', 'consistent_hash', 'least_load', 'power_of_two', 'random', 'rendezvous_hash', 'round_robin', 'sticky_least_loaded', 'sticky_until_saturated'])
  for (const name of policyNames) t.equal(createPolicy(name, {}, context()).name, name)
})

t.test('unknown names', async t => {
  for (const name of ['', 'roundrobin', 'toString', '__proto__']) {
    t.notOk(isPolicyName(name))
    t.throws(() => createPolicy(name, {}, context()), {
      message: `Unknown policy '${name}': allowed are cache_aware, consistent_hash, least_load, power_of_two, random, rendezvous_hash, round_robin, sticky_least_loaded, sticky_until_saturated`
    })
  }
})

t.test('those that compare loads want to know of foreign load', async t => {
  t.same(policyNames.filter(name => createPolicy(name, {}, context()).wantsForeignLoad === true), ['least_load', 'power_of_two'])
})
