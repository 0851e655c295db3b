// Bearers are checked at validation URLs: what each answer means, how seldom they are asked, and what happens while they cannot tell.
import { connect } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import auth from '../../plugins/auth.ts'
import caller from '../../plugins/caller.ts'
import errors from '../../plugins/errors.ts'
import type { VllmRouterOptions } from '../../router.ts'
import { ManualClock } from '../helpers/manual-clock.ts'
import { startRouter } from '../helpers/router.ts'
import type { TestRouter } from '../helpers/router.ts'
import { samplesOf } from '../helpers/samples.ts'
import { until } from '../helpers/until.ts'
import { getAs, silent, startValidator, status } from '../helpers/validator.ts'
import type { Validator } from '../helpers/validator.ts'

// a flood takes its time on a busy machine
t.setTimeout(120_000)

const path = '/list_workers'

t.setTimeout(120_000)

async function routerBehind (t: Test, validators: readonly Validator[], options: VllmRouterOptions = {}): Promise<TestRouter> {
  return await startRouter(t, { apiKeyValidationUrls: validators.map(validator => validator.url), authTimeoutMs: 10_000, ...options })
}

t.test('what an answer means', async t => {
  const cases: ReadonlyArray<[name: string, answer: Validator['answer'], expected: number]> = [
    ['200', status(200), 200],
    ['401', status(401), 401],
    ['403', status(403), 401],
    ['204', status(204), 503],
    ['201', status(201), 503],
    ['302', (_token, response) => { response.writeHead(302, { location: '/yes' }).end() }, 503],
    ['307 to a yes', (_token, response, request) => { request.url === '/yes' ? response.end() : response.writeHead(307, { location: '/yes' }).end() }, 503],
    ['400', status(400), 503],
    ['404', status(404), 503],
    ['429', status(429), 503],
    ['500', status(500), 503],
    ['503', status(503), 503],
    ['nothing', silent, 503],
    ['a head without its body', (_token, response) => { response.writeHead(200, { 'content-length': '10' }).write('x') }, 503],
    ['a reset', (_token, response) => { response.destroy() }, 503],
    ['no HTTP', (_token, response) => { response.socket?.end('hello\r\n\r\n') }, 503],
    ['a long body', (_token, response) => { response.end('x'.repeat(1_000_000)) }, 200]
  ]
  const validator = await startValidator(t)
  const { url } = await routerBehind(t, [validator], { authTimeoutMs: 1000 })
  for (const [i, [name, answer, expected]] of cases.entries()) {
    validator.answer = answer
    const before = validator.asked.length
    const reply = await getAs(url + path, `token-${i}`)
    t.equal(reply.status, expected, name)
    t.same(validator.asked.slice(before), [`token-${i}`], 'asked once, with GET and the bearer')
    const { error } = JSON.parse(reply.body) as { error?: { type: string, code: string, message: string, param: null } }
    if (expected === 401) {
      t.same(error, { message: 'The API key is not valid', type: 'authentication_error', param: null, code: 'invalid_api_key' })
      t.equal(reply.headers.get('www-authenticate'), 'Bearer')
    }
    if (expected === 503) {
      t.same(error, { message: 'The API key cannot be checked now: try again later', type: 'service_unavailable_error', param: null, code: 'auth_unavailable' })
      t.equal(reply.headers.get('retry-after'), '1')
      t.notMatch(reply.body, validator.url)
    }
  }
  await validator.close()
  t.equal((await getAs(url + path, 'down')).status, 503)
})

t.test('without a token nobody is asked', async t => {
  const validator = await startValidator(t)
  const { url } = await routerBehind(t, [validator])
  for (const headers of [{}, { authorization: 'Basic dTpw' }, { authorization: 'Bearer' }, { authorization: 'Bearer a b' }] as Array<Record<string, string>>) {
    const reply = await fetch(url + path, { headers })
    t.equal(reply.status, 401)
    t.equal(reply.headers.get('www-authenticate'), 'Bearer')
    t.match(await reply.json(), { error: { code: 'invalid_api_key', message: /^No API key was given/ } })
  }
  t.same(validator.asked, [])
})

t.test('several URLs are asked in order', async t => {
  const [first, second] = [await startValidator(t), await startValidator(t)]
  const { url } = await routerBehind(t, [first, second])
  const cases = [
    [200, 500, 200], [401, 200, 200], [403, 401, 401], [500, 200, 200], [500, 401, 503], [401, 500, 503], [500, 500, 503]
  ] as const
  for (const [i, [one, two, expected]] of cases.entries()) {
    first.answer = status(one)
    second.answer = status(two)
    const asked = [first.asked.length, second.asked.length] as const
    t.equal((await getAs(url + path, `token-${i}`)).status, expected, `${one} ${two}`)
    t.same([first.asked.length - asked[0], second.asked.length - asked[1]], [1, one === 200 ? 0 : 1])
  }
})

t.test('a burst of 1,000 requests with one new token is one question', async t => {
  const validator = await startValidator(t, (_token, response) => { setTimeout(() => response.end(), 200) })
  const { port, router } = await routerBehind(t, [validator])
  const answers = pipeline(t, port, 20, Array.from({ length: 50 }, () => 'new'))
  await until('all have their answer', () => answers().length === 1000, 30_000)
  t.same(new Set(answers()), new Set(['200']))
  t.same(validator.asked, ['new'])
  t.equal((await samplesOf(router)).sum('auth_decisions_total', { outcome: 'valid', via: 'validation' }), 1000)
})

t.test('a flood of made-up tokens is no flood at the validator, and harms no known caller', async t => {
  const validator = await startValidator(t)
  const { url, router, port } = await routerBehind(t, [validator], { authMaxValidations: 4, authTimeoutMs: 60_000, authCacheTtlSecs: 0 })
  t.equal((await getAs(url + path, 'known')).status, 200)
  const held: Array<() => void> = []
  validator.answer = (_token, response) => { held.push(() => response.writeHead(401).end()) }
  const answers = pipeline(t, port, 10, Array.from({ length: 120 }, (_, i) => `made-up-${i}`), true)
  // decided, though their answers come when those before them on the connection have theirs
  await until('the others find no place', async () => (await samplesOf(router)).sum('auth_decisions_total', { outcome: 'unavailable' }) === 1200 - 4 - 1024, 30_000)
  t.equal(held.length, 4)
  t.equal((await getAs(url + path, 'one-too-many')).status, 503, 'no room')
  t.equal((await getAs(url + path, 'known')).status, 200, 'an old answer serves while nobody can be asked')
  t.equal(validator.most, 4)
  validator.answer = status(401)
  for (const answer of held) answer()
  await until('all have their answer', () => answers().length === 1200, 30_000)
  t.ok(validator.most <= 5, `${validator.most} at the same time`)
  const count = (status: string): number => answers().filter(answer => answer === status).length
  t.same([count('401'), count('503'), count('200')], [4 + 1024, 1200 - 4 - 1024, 0])
  t.ok((await samplesOf(router)).sum('auth_cache_entries', { finding: 'invalid' }) >= 1024)
})

t.test('time: how long answers hold, and what happens while nobody can tell', async t => {
  const validator = await startValidator(t)
  const clock = new ManualClock()
  const { url } = await startAlone(t, validator, clock)
  const get = async (token: string): Promise<number> => (await getAs(url, token)).status
  t.equal(await get('good'), 200)
  validator.answer = status(401)
  t.equal(await get('early'), 401)
  t.equal(await get('good'), 200, 'not asked again')
  t.equal(validator.asked.length, 2)
  validator.answer = status(200)
  await clock.advance(9_999)
  t.equal(await get('early'), 401)
  await clock.advance(1)
  t.equal(await get('early'), 200, 'a token that was tried too early')

  await clock.advance(300_000)
  validator.answer = status(500)
  const asked = validator.asked.length
  t.equal(await get('good'), 200, 'grace')
  t.equal(await get('good'), 200)
  t.equal(validator.asked.length, asked + 1, 'a validator in trouble is left alone for a while')
  t.equal(await get('new'), 503)
  t.equal(await get('new'), 503)
  t.equal(validator.asked.length, asked + 3, 'a 503 is not remembered')
  await clock.advance(5000)
  validator.answer = silent
  const before = performance.now()
  t.equal(await get('good'), 200, 'a slow one')
  t.ok(performance.now() - before < 5000)
  await clock.advance(5000)
  validator.answer = status(401)
  t.equal(await get('good'), 401, 'and a withdrawn token is found out as soon as it can')
  validator.answer = status(500)
  await clock.advance(10_000)
  t.equal(await get('good'), 503, 'a "no" ends the grace')
  t.equal(await get('early'), 200)
  await clock.advance(3_600_000)
  t.equal(await get('early'), 503, 'the grace has an end')
  validator.answer = status(200)
  t.equal(await get('early'), 200)
  t.equal(await get('good'), 200)
})

t.test('a validator that flaps lets a known caller in every time', async t => {
  const validator = await startValidator(t)
  let n = 0
  validator.answer = (_token, response) => {
    n++
    // every second answer is trouble of some kind
    if (n % 2 === 1) response.end()
    else if (n % 4 === 0) response.destroy()
    else response.writeHead(500).end()
  }
  const clock = new ManualClock()
  const { url } = await startAlone(t, validator, clock)
  for (let i = 0; i < 20; i++) {
    t.equal((await getAs(url, 'good')).status, 200)
    await clock.advance(300_001)
  }
  t.equal(n, 20)
})

t.test('options change while it runs', async t => {
  const [old, other] = [await startValidator(t), await startValidator(t, status(401))]
  const { url, router } = await routerBehind(t, [old])
  t.equal((await getAs(url + path, 'good')).status, 200)
  t.equal((await getAs(url + '/health', undefined)).status, 200)
  t.equal(router.authentication.configure({ authExemptPaths: [path], authCacheNegativeTtlSecs: 0 }), true)
  t.equal((await getAs(url + '/health', undefined)).status, 401)
  t.equal((await getAs(url + path, undefined)).status, 200)
  router.authentication.configure({ authExemptPaths: [], apiKeyValidationUrls: [other.url] })
  t.equal((await getAs(url + path, 'good')).status, 401, 'what others said does not hold')
  other.answer = status(200)
  t.equal((await getAs(url + path, 'good')).status, 200)
  t.equal(router.authentication.configure({ apiKeyValidationUrls: [] }), false)
  t.equal((await getAs(url + path, undefined)).status, 401, 'it does not fall open')
  t.equal((await getAs(url + path, 'good')).status, 200)
})

t.test('nobody waits for ever when the router closes', async t => {
  const validator = await startValidator(t, silent)
  const { url, app } = await routerBehind(t, [validator], { authTimeoutMs: 60_000 })
  const reply = getAs(url + path, 'a').then(({ status }) => status, () => 'cut')
  await until('it is asked', () => validator.asked.length === 1)
  const closed = app.close().then(() => 'closed')
  t.equal(await Promise.race([closed, after(10_000, 'still open', { ref: false })]), 'closed')
  t.match(String(await reply), /^(503|cut)$/)
})

/** Sends the requests of `tokens` at once on each of so many connections; returns the statuses so far. */
function pipeline (t: Test, port: number, connections: number, tokens: readonly string[], distinct = false): () => string[] {
  const received: string[] = []
  for (let n = 0; n < connections; n++) {
    const socket = connect(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    received.push('')
    socket.on('data', (chunk: Buffer) => { received[n] += chunk.toString('latin1') })
    socket.write(tokens.map(token => `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}${distinct ? `-${n}` : ''}\r\n\r\n`).join(''))
  }
  return () => received.flatMap(text => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = '']) => status))
}

/** The plugin alone, on a clock of the test's. */
async function startAlone (t: Test, validator: Validator, clock: ManualClock): Promise<{ url: string }> {
  const app = Fastify({ forceCloseConnections: true })
  await app.register(errors)
  await app.register(caller)
  await app.register(auth, { apiKeyValidationUrls: [validator.url], clock, authTimeoutMs: 1000 })
  app.get('/', async request => request.caller)
  t.teardown(() => app.close())
  return { url: await app.listen({ host: '127.0.0.1', port: 0 }) }
}
