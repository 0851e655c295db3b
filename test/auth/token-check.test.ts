// One question for one token, however many ask; so many at a time, the others wait for a bounded time; not being able to ask is no "no".
import t from 'tap'
import { makeCaller } from '../../auth/caller.ts'
import { TokenCheck } from '../../auth/token-check.ts'
import type { Answer } from '../../auth/token-check.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

const caller = makeCaller('c', 'validation', undefined)
const limits = { ttlMs: 300_000, negativeTtlMs: 10_000, graceMs: 3_600_000, size: 5000, concurrent: 2, waitMs: 2000 }

/** A check whose questions the test answers. */
function checkByHand (): { clock: ManualClock, check: TokenCheck, asked: string[], answer: (token: string, answer: Answer | Error) => void, graced: () => number } {
  const clock = new ManualClock()
  const asked: string[] = []
  const open = new Map<string, (answer: Answer | Error) => void>()
  let graced = 0
  const check = new TokenCheck({
    clock,
    limits: () => limits,
    graced: () => { graced++ },
    ask: async token => {
      asked.push(token)
      const answer = await new Promise<Answer | Error>(resolve => { open.set(token, resolve) })
      if (answer instanceof Error) throw answer
      return answer
    }
  })
  return { clock, check, asked, answer: (token, answer) => open.get(token)?.(answer), graced: () => graced }
}

t.test('a thousand at once are one question', async t => {
  const { check, asked, answer } = checkByHand()
  const findings = Array.from({ length: 1000 }, () => check.check('a', 'a'))
  t.same(asked, ['a'])
  answer('a', { caller })
  t.ok((await Promise.all(findings)).every(finding => finding === caller))
  t.equal(check.check('a', 'a'), caller, 'and then it is known at once')
  t.same(asked, ['a'])
})

t.test('two at a time; who waits too long, or comes when the queue is full, is told that nobody can tell', async t => {
  const { clock, check, asked, answer } = checkByHand()
  const first = [check.check('a', 'a'), check.check('b', 'b')]
  const waiting = check.check('c', 'c')
  t.same(asked, ['a', 'b'])
  answer('a', 'invalid')
  t.equal(await first[0], 'invalid')
  t.same(asked, ['a', 'b', 'c'], 'the next one is asked about')
  answer('c', { caller })
  t.equal(await waiting, caller)
  const d = check.check('d', 'd')
  const crowd = Array.from({ length: 1024 }, (_, i) => check.check(`x${i}`, `x${i}`))
  t.equal(await check.check('one too many', 'one too many'), 'unavailable')
  await clock.advance(2000)
  for (const one of crowd) if (await one !== 'unavailable') t.fail('waited too long and was not told')
  t.equal(asked.length, 4)
  t.same(check.cache.sizes, { valid: 1, invalid: 1 }, 'that is not remembered')
  answer('d', { caller })
  answer('b', { caller })
  t.equal(await d, caller)
  const again = check.check('x1', 'x1')
  t.equal(asked.at(-1), 'x1')
  answer('x1', { caller })
  t.equal(await again, caller)
})

t.test('a known token outlives a validator that is down, and a queue that is full', async t => {
  const { clock, check, asked, answer, graced } = checkByHand()
  const first = check.check('a', 'a')
  answer('a', { caller })
  await first
  await clock.advance(300_000)
  for (const trouble of ['unavailable', new Error('reset')] as const) {
    const again = check.check('a', 'a')
    t.ok(again instanceof Promise)
    answer('a', trouble)
    t.equal(await again, caller)
    t.equal(check.check('a', 'a'), caller, 'nobody waits for the validator meanwhile')
    await clock.advance(5000)
  }
  t.equal(graced(), 2)
  t.equal(asked.length, 3)
  void check.check('b', 'b')
  void check.check('c', 'c')
  for (let i = 0; i < 1024; i++) void check.check(`x${i}`, `x${i}`)
  t.equal(await check.check('a', 'a'), caller)
  await clock.advance(5000)
  answer('b', 'invalid')
  await clock.advance(0)
  const no = check.check('a', 'a')
  answer('a', 'invalid')
  t.equal(await no, 'invalid', 'a "no" counts at once')
  await clock.advance(10_000)
  const gone = check.check('a', 'a')
  answer('a', 'unavailable')
  t.equal(await gone, 'unavailable', 'and ends the grace')
  check.dispose()
})
