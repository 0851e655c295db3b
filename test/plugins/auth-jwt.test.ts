// JWTs of one issuer let in: by a sound signature of a key pair, for this audience and now; by discovery or a given URL.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT, UnsecuredJWT, exportJWK, exportSPKI, generateKeyPair } from 'jose'
import type { CryptoKey, JWK, JWTPayload } from 'jose'
import t from 'tap'
import type { Test } from 'tap'
import { startRouter } from '../helpers/router.ts'
import type { TestRouter } from '../helpers/router.ts'
import { getAs, startValidator, status } from '../helpers/validator.ts'
import type { VllmRouterOptions } from '../../router.ts'

interface Key { readonly kid: string, readonly alg: string, readonly privateKey: CryptoKey, readonly publicKey: CryptoKey, readonly jwk: JWK }

async function makeKey (kid: string, alg: string): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { kid, alg, privateKey, publicKey, jwk: { ...await exportJWK(publicKey), kid, alg } }
}

interface Issuer { url: string, keys: JWK[], down: boolean, asked: string[], document: (base: string) => unknown }

async function startIssuer (t: Test, keys: JWK[]): Promise<Issuer> {
  const issuer: Issuer = { url: '', keys, down: false, asked: [], document: base => ({ issuer: base, jwks_uri: base + '/keys' }) }
  const server = createServer((request, response) => {
    issuer.asked.push(request.url ?? '')
    if (issuer.down) response.writeHead(500).end()
    else if (request.url === '/.well-known/openid-configuration') response.end(JSON.stringify(issuer.document(issuer.url)))
    else if (request.url === '/keys') response.end(JSON.stringify({ keys: issuer.keys }))
    else response.writeHead(404).end()
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise(resolve => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  issuer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return issuer
}

const now = (): number => Math.floor(Date.now() / 1000)

async function sign (issuer: Issuer, key: Key, claims: JWTPayload = {}, header: { alg?: string, kid?: string | undefined } = {}): Promise<string> {
  const payload: JWTPayload = { iss: issuer.url, aud: 'router', sub: 'sam', exp: now() + 60, ...claims }
  const kid = 'kid' in header ? header.kid : key.kid
  return await new SignJWT(payload).setProtectedHeader({ alg: header.alg ?? key.alg, ...(kid === undefined ? {} : { kid }) }).sign(key.privateKey)
}

async function routerFor (t: Test, issuer: Issuer, options: VllmRouterOptions = {}): Promise<TestRouter & { ask: (token: string) => Promise<[number, string]> }> {
  const router = await startRouter(t, {
    jwtIssuer: issuer.url,
    jwtAudience: ['router', 'other-name'],
    authTimeoutMs: 10_000,
    ...options,
    extend (router) { router.get('/me', { config: { auth: 'any' } }, async ({ caller }) => ({ ...caller, models: caller?.models === undefined ? null : [...caller.models] })) }
  })
  return {
    ...router,
    ask: async token => {
      const reply = await getAs(router.url + '/me', token)
      return [reply.status, reply.body]
    }
  }
}

t.test('sound tokens, with every kind of key', async t => {
  const keys = await Promise.all(['RS256', 'PS384', 'ES256', 'ES384', 'EdDSA'].map(alg => makeKey(`kid-${alg}`, alg)))
  const issuer = await startIssuer(t, keys.map(key => key.jwk))
  const { ask } = await routerFor(t, issuer)
  for (const key of keys) {
    t.same(await ask(await sign(issuer, key)), [200, '{"name":"sam","via":"jwt","models":null}'], key.alg)
    t.same((await ask(await sign(issuer, key, {}, { kid: undefined })))[0], 200, 'without the name of its key')
  }
  t.same(issuer.asked, ['/.well-known/openid-configuration', '/keys'])
  const [key] = keys
  if (key === undefined) return
  t.match(await ask(await sign(issuer, key, { aud: ['x', 'other-name'] })), [200, /sam/])
  t.match(await ask(await sign(issuer, key, { exp: now() - 10 })), [200, /sam/], 'clocks may differ a little')
  for (const sub of [undefined, 'with space', 'x'.repeat(65), 'caf\u00e9\n']) {
    const token = await sign(issuer, key, sub === undefined ? { sub: undefined } as unknown as JWTPayload : { sub })
    t.match(await ask(token), [200, /"name":"j-[0-9a-f]{8}"/], 'no name for a log')
  }
})

t.test('all others are refused', async t => {
  const [key, foreign, twin] = [await makeKey('a', 'RS256'), await makeKey('a', 'RS256'), await makeKey('b', 'RS256')]
  const issuer = await startIssuer(t, [key.jwk, twin.jwk])
  const { ask } = await routerFor(t, issuer)
  const good = await sign(issuer, key)
  const [head = '', body = '', signature = ''] = good.split('.')
  const secret = new TextEncoder().encode(await exportSPKI(key.publicKey))
  const claims = { iss: issuer.url, aud: 'router', sub: 'sam', exp: now() + 60 }
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const cases: Record<string, string> = {
    'another key': await sign(issuer, foreign),
    'the name of another key': await sign(issuer, key, {}, { kid: 'b' }),
    'an unknown key': await sign(issuer, foreign, {}, { kid: 'c' }),
    'another key, unnamed': await sign(issuer, foreign, {}, { kid: undefined }),
    'another issuer': await sign(issuer, key, { iss: issuer.url + '/' }),
    'another audience': await sign(issuer, key, { aud: 'elsewhere' }),
    'no audience': await sign(issuer, key, { aud: undefined } as unknown as JWTPayload),
    'past its time': await sign(issuer, key, { exp: now() - 31 }),
    'before its time': await sign(issuer, key, { nbf: now() + 100 }),
    'for ever': await sign(issuer, key, { exp: undefined } as unknown as JWTPayload),
    'a time that is none': await sign(issuer, key, { exp: 'never' } as unknown as JWTPayload),
    unsigned: new UnsecuredJWT(claims).encode() + 'x',
    'alg none': `${encoded({ alg: 'none' })}.${encoded(claims)}.x`,
    'the public key as a secret': await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'a' }).sign(secret),
    'changed claims': `${head}.${encoded({ ...claims, sub: 'root' })}.${signature}`,
    'a changed head': `${encoded({ alg: 'RS512', kid: 'a' })}.${body}.${signature}`,
    'a key of its own': await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', jwk: foreign.jwk, jku: 'http://127.0.0.1:1/', kid: 'a' }).sign(foreign.privateKey),
    critical: await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'a', crit: ['b64'], b64: true }).sign(foreign.privateKey),
    nonsense: 'a.b.c',
    'no JWT': 'opaque'
  }
  for (const [name, token] of Object.entries(cases)) t.equal((await ask(token))[0], 401, name)
  t.equal((await ask(good))[0], 200)
})

t.test('models in a claim', async t => {
  const key = await makeKey('a', 'ES256')
  const issuer = await startIssuer(t, [key.jwk])
  const { ask } = await routerFor(t, issuer, { jwtModelsClaim: 'https://example.com/models' })
  const models = async (claim: unknown): Promise<unknown> => (JSON.parse((await ask(await sign(issuer, key, { 'https://example.com/models': claim })))[1]) as { models: unknown }).models
  t.same(await models(['a', 'b', 1, null, '']), ['a', 'b'])
  t.same(await models('a b'), ['a', 'b'])
  t.same(await models('*'), null)
  t.same(await models(['x', '*']), null)
  t.same(await models([]), [])
  t.same(await models({ a: 1 }), [])
  t.same(await models(undefined), [], 'a token without the claim may use none')
})

t.test('an issuer that is down', async t => {
  const [a, b] = [await makeKey('a', 'ES256'), await makeKey('b', 'ES256')]
  const issuer = await startIssuer(t, [a.jwk])
  issuer.down = true
  const { ask } = await routerFor(t, issuer)
  t.match(await ask(await sign(issuer, a)), [503, /auth_unavailable/])
  t.equal((await ask('opaque'))[0], 401, 'a token that is no JWT needs no key')

  const other = await startIssuer(t, [a.jwk])
  const second = await routerFor(t, other)
  t.equal((await second.ask(await sign(other, a)))[0], 200)
  other.down = true
  t.equal((await second.ask(await sign(other, a, { sub: 'kim' })))[0], 200, 'known keys go on')
  t.equal((await second.ask(await sign(other, b)))[0], 401, 'keys that are new are not asked for again')
})

t.test('discovery that does not fit', async t => {
  const key = await makeKey('a', 'ES256')
  for (const document of [() => ({}), () => null, (base: string) => ({ issuer: base + '/other', jwks_uri: base + '/keys' }), (base: string) => ({ issuer: base }), (base: string) => ({ issuer: base, jwks_uri: 'file:///etc/passwd' })]) {
    const issuer = await startIssuer(t, [key.jwk])
    issuer.document = document
    const { ask } = await routerFor(t, issuer)
    t.equal((await ask(await sign(issuer, key)))[0], 503, JSON.stringify(document('http://issuer')))
  }
})

t.test('a given URL; any audience; a validator behind', async t => {
  const [key, foreign] = [await makeKey('a', 'ES256'), await makeKey('a', 'ES256')]
  const issuer = await startIssuer(t, [key.jwk])
  const validator = await startValidator(t)
  const { ask } = await routerFor(t, issuer, { jwksUrl: issuer.url + '/keys', jwtAudience: [], apiKeyValidationUrls: [validator.url] })
  t.match(await ask(await sign(issuer, key, { aud: 'anything' })), [200, /"via":"jwt"/])
  t.same(issuer.asked, ['/keys'])
  t.same(validator.asked, [], 'nobody else is asked')
  const stranger = await sign(issuer, foreign)
  t.match(await ask(stranger), [200, /"via":"validation"/], 'what is no JWT of the issuer may be known there')
  t.same(validator.asked, [stranger])
  validator.answer = status(401)
  t.equal((await ask(await sign(issuer, foreign)))[0], 401)
  issuer.down = true
  const { ask: askDown } = await routerFor(t, issuer, { apiKeyValidationUrls: [validator.url] })
  t.equal((await askDown(await sign(issuer, key)))[0], 503, 'a "no" of one is no "no" while the other cannot tell')
  validator.answer = status(200)
  t.equal((await askDown(await sign(issuer, key, { sub: 'kim' })))[0], 200)
})
