// An issuer's keys are fetched when they are needed: new ones soon, but not as often as somebody names an unknown key; old ones serve on.
import { exportJWK, generateKeyPair } from 'jose'
import type { JWK } from 'jose'
import t from 'tap'
import { Jwks, KeysUnavailableError } from '../../auth/jwks.ts'
import { ManualClock } from '../helpers/manual-clock.ts'

async function keyNamed (kid: string): Promise<JWK> {
  const { publicKey } = await generateKeyPair('ES256', { extractable: true })
  return { ...await exportJWK(publicKey), kid, alg: 'ES256' }
}

t.test('rotation, cooldown and failures', async t => {
  const clock = new ManualClock()
  const [a, b] = [await keyNamed('a'), await keyNamed('b')]
  let keys: JWK[] | undefined = [a]
  let loads = 0
  const told: Array<string | undefined> = []
  const jwks = new Jwks({
    clock,
    changed: problem => { told.push(problem) },
    load: async () => {
      loads++
      if (keys === undefined) throw new Error('down')
      return { keys }
    }
  })
  const find = async (kid: string): Promise<string> => {
    try {
      await jwks.key({ alg: 'ES256', kid }, { payload: '', signature: '' })
      return 'found'
    } catch (error) {
      return error instanceof KeysUnavailableError ? 'unavailable' : 'unknown'
    }
  }

  t.same(await Promise.all([find('a'), find('a'), find('a')]), ['found', 'found', 'found'])
  t.equal(loads, 1, 'once for all who wait')
  t.equal(await find('b'), 'unknown')
  t.equal(loads, 1, 'the keys are new')
  keys = [a, b]
  await clock.advance(29_000)
  t.equal(await find('b'), 'unknown')
  await clock.advance(1000)
  t.equal(await find('b'), 'found', 'a new key is found after the cooldown')
  t.equal(loads, 2)
  for (let i = 0; i < 100; i++) t.equal(await find(`made up ${i}`), 'unknown')
  t.equal(loads, 2, 'made-up names ask nobody')

  keys = undefined
  await clock.advance(30_000)
  t.equal(await find('c'), 'unavailable', 'it may be a new key')
  t.equal(loads, 3)
  t.equal(await find('c'), 'unavailable')
  t.equal(loads, 3, 'an issuer that is down is not asked for every token')
  t.equal(await find('a'), 'found', 'known keys go on')
  await clock.advance(5000)
  t.equal(await find('c'), 'unavailable')
  t.equal(loads, 4)
  await clock.advance(600_000)
  t.equal(await find('a'), 'found', 'however long it lasts')
  await clock.advance(0)
  t.equal(loads, 5, 'and it is asked in the background')

  keys = [b]
  await clock.advance(30_000)
  t.equal(await find('b'), 'found')
  await clock.advance(0)
  t.equal(loads, 6)
  t.equal(await find('a'), 'unknown', 'a key that was withdrawn')
  t.same(told, ['down', undefined], 'told once when it begins, once when it ends')
})

t.test('an issuer that is down from the start, or that talks nonsense', async t => {
  for (const answer of [undefined, null, [], {}, { keys: 'x' }, { keys: [1] }]) {
    const jwks = new Jwks({
      clock: new ManualClock(),
      load: async () => {
        if (answer === undefined) throw new Error('down')
        return answer
      }
    })
    await t.rejects(jwks.key({ alg: 'ES256', kid: 'a' }, { payload: '', signature: '' }), KeysUnavailableError)
  }
})
