// Findings hold for their time and no longer; a valid one may be used beyond it where nobody can be asked; strangers push out no caller.
import fc from 'fast-check'
import t from 'tap'
import { makeCaller } from '../../auth/caller.ts'
import { TokenCache } from '../../auth/token-cache.ts'

const caller = makeCaller('c', 'validation', undefined)
const limits = { ttlMs: 300_000, negativeTtlMs: 10_000, graceMs: 3_600_000, size: 10 }

class Time {
  at = 0
  now (): number { return this.at }
}

t.test('a valid token', async t => {
  const clock = new Time()
  const cache = new TokenCache(clock, () => limits)
  t.equal(cache.get('a'), undefined)
  cache.set('a', caller)
  clock.at = 299_999
  t.equal(cache.get('a'), caller)
  clock.at = 300_000
  t.equal(cache.get('a'), undefined, 'to be asked about again')
  t.equal(cache.inGrace('a'), caller)
  t.equal(cache.get('a'), caller, 'a validator that is down is left alone for a while')
  clock.at = 305_000
  t.equal(cache.get('a'), undefined, 'and asked again')
  clock.at = 3_899_000
  t.equal(cache.inGrace('a'), caller)
  clock.at = 3_900_000
  t.equal(cache.get('a'), undefined, 'the rest ends with the grace')
  t.equal(cache.inGrace('a'), undefined)
  cache.set('a', caller)
  t.equal(cache.get('a'), caller)
  cache.set('a', 'invalid')
  t.equal(cache.get('a'), 'invalid')
  t.equal(cache.inGrace('a'), undefined, 'a "no" ends the grace')
})

t.test('an invalid token', async t => {
  const clock = new Time()
  const cache = new TokenCache(clock, () => limits)
  cache.set('a', 'invalid')
  clock.at = 9_999
  t.equal(cache.get('a'), 'invalid')
  clock.at = 10_000
  t.equal(cache.get('a'), undefined)
  t.equal(cache.inGrace('a'), undefined)
})

t.test('a token with an end of its own', async t => {
  const clock = new Time()
  const cache = new TokenCache(clock, () => limits)
  cache.set('a', caller, 1000)
  t.equal(cache.get('a'), caller)
  clock.at = 1000
  t.equal(cache.get('a'), undefined)
  t.equal(cache.inGrace('a'), undefined)
})

t.test('valid and invalid tokens are bounded each for themselves; the least recently used goes', async t => {
  const clock = new Time()
  let size = 3
  const cache = new TokenCache(clock, () => ({ ...limits, size }))
  for (const digest of ['a', 'b', 'c']) cache.set(digest, caller)
  for (let i = 0; i < 1000; i++) cache.set(`stranger ${i}`, 'invalid')
  t.same(cache.sizes, { valid: 3, invalid: 3 })
  clock.at = 2000
  t.equal(cache.get('a'), caller)
  cache.set('d', caller)
  t.same(['a', 'b', 'c', 'd'].filter(digest => cache.get(digest) !== undefined), ['a', 'c', 'd'])
  size = 1
  cache.set('e', caller)
  t.same(cache.sizes, { valid: 1, invalid: 3 })
  cache.clear()
  t.same(cache.sizes, { valid: 0, invalid: 0 })
})

t.test('whatever happens, a token passes only within its time and its grace after a "yes", and never after a "no"', async t => {
  const step = fc.oneof(
    fc.record({ what: fc.constantFrom('yes' as const, 'no' as const, 'nobody' as const), digest: fc.constantFrom('a', 'b', 'c', 'd') }),
    fc.record({ what: fc.constant('wait' as const), milliseconds: fc.integer({ min: 1, max: 4_000_000 }) })
  )
  t.doesNotThrow(() => fc.assert(fc.property(fc.array(step, { maxLength: 60 }), steps => {
    const clock = new Time()
    const cache = new TokenCache(clock, () => ({ ...limits, size: 3 }))
    const said = new Map<string, { yes: boolean, at: number }>()
    for (const one of steps) {
      if (one.what === 'wait') clock.at += one.milliseconds
      else if (one.what === 'nobody') {
        const used = cache.get(one.digest) === undefined ? cache.inGrace(one.digest) : undefined
        const last = said.get(one.digest)
        if (used !== undefined && !(last?.yes === true && clock.at - last.at < limits.ttlMs + limits.graceMs)) return false
      } else {
        cache.set(one.digest, one.what === 'yes' ? caller : 'invalid')
        said.set(one.digest, { yes: one.what === 'yes', at: clock.at })
      }
      for (const digest of ['a', 'b', 'c', 'd']) {
        const found = cache.get(digest)
        const last = said.get(digest)
        if (found === caller && !(last?.yes === true && clock.at - last.at < limits.ttlMs + limits.graceMs)) return false
        if (found === 'invalid' && !(last?.yes === false && clock.at - last.at < limits.negativeTtlMs)) return false
      }
      if (cache.sizes.valid > 3 || cache.sizes.invalid > 3) return false
    }
    return true
  }), { numRuns: 500 }))
})
