// Every policy keeps to the contract.
import t from 'tap'
import { createPolicy, policyNames } from '../../policies/index.ts'
import { conforms } from './conformance.ts'

for (const name of policyNames) {
  t.test(name, async t => { conforms(t, name, context => createPolicy(name, {}, context)) })
}

t.test('cache_aware with tight bounds', async t => {
  conforms(t, 'cache_aware', context => createPolicy('cache_aware', { maxTreeSize: 2048, maxIndexEntries: 12, balanceAbsThreshold: 2 }, context))
})

t.test('sticky_until_saturated with tight bounds', async t => {
  conforms(t, 'sticky_until_saturated', context => createPolicy('sticky_until_saturated', { maxTreeSize: 2048, maxIndexEntries: 12 }, context))
})
