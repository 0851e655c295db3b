// An application can recognise callers by code of its own, before all other means; its mistakes let nobody in.
import t from 'tap'
import type { Authenticate } from '../../router.ts'
import { startLogging } from '../helpers/log.ts'
import { startRouter } from '../helpers/router.ts'
import { getAs, startValidator, status } from '../helpers/validator.ts'
import Fastify from 'fastify'
import auth from '../../plugins/auth.ts'
import caller from '../../plugins/caller.ts'
import errors from '../../plugins/errors.ts'

t.test('what it returns, throws, or never says', async t => {
  const validator = await startValidator(t, (token, response) => { response.writeHead(token === 'good' ? 200 : 401).end() })
  const answers: Record<string, Authenticate> = {
    null: () => null,
    nothing: () => undefined,
    later: async () => null,
    caller: () => ({ name: 'sam' }),
    promise: async () => ({ name: 'sam', models: ['a', 'b'] }),
    teapot: () => { throw Object.assign(new Error('short and stout'), { statusCode: 418, code: 'TEAPOT' }) },
    unknown: async () => { throw Object.assign(new Error('not you'), { statusCode: 401, code: 'NOT_YOU' }) },
    bug: () => { throw new Error('secret of the application') },
    fault: async () => { throw Object.assign(new Error('down'), { statusCode: 502 }) },
    never: () => new Promise(() => {})
  }
  let answer: Authenticate = () => null
  const { url, text } = await startLogging(t, 'info', {
    authenticate: request => answer(request),
    apiKeyValidationUrls: [validator.url],
    authTimeoutMs: 1000,
    extend (router) { router.get('/me', { config: { auth: 'any' } }, async ({ caller }) => ({ ...caller, models: caller?.models === undefined ? null : [...caller.models] })) }
  })
  const ask = async (name: string, token?: string): Promise<[number, string]> => {
    answer = answers[name] ?? answer
    const reply = await getAs(url + '/me', token)
    return [reply.status, reply.body]
  }
  for (const name of ['null', 'nothing', 'later']) {
    t.equal((await ask(name))[0], 401)
    t.equal((await ask(name, 'bad'))[0], 401)
    t.match(await ask(name, 'good'), [200, /"via":"validation"/])
  }
  t.same(await ask('caller'), [200, '{"name":"sam","via":"hook","models":null}'])
  t.same(await ask('promise', 'bad'), [200, '{"name":"sam","via":"hook","models":["a","b"]}'])
  t.match(await ask('teapot', 'good'), [418, /"message":"short and stout".*"code":"teapot"/])
  t.match(await ask('unknown', 'good'), [401, /"not_you"/])
  answer = answers['unknown'] ?? answer
  t.equal((await getAs(url + '/me', 'good')).headers.get('www-authenticate'), 'Bearer')
  for (const name of ['bug', 'fault', 'never']) t.match(await ask(name, 'good'), [503, /"auth_unavailable"/])
  t.match(text(), /authenticate failed.*secret of the application|secret of the application.*authenticate failed/)
})

t.test('alone, it is all there is', async t => {
  const { url } = await startRouter(t, { authenticate: ({ headers }) => headers['x-user'] === 'sam' ? { name: 'sam' } : null })
  t.equal((await getAs(url + '/list_workers', 'anything')).status, 401)
  t.equal((await fetch(url + '/list_workers', { headers: { 'x-user': 'sam' } })).status, 200)
})

t.test('without any means the plugin refuses to start', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(caller)
  await t.rejects(async () => { await app.register(auth, { apiKeyValidationUrls: [] }) }, /auth needs apiKeyValidationUrls/)
})

t.test('a router without any means asks nobody', async t => {
  const { url, router } = await startRouter(t)
  t.equal(router.hasDecorator('authentication'), false)
  t.equal((await getAs(url + '/list_workers', undefined)).status, 200)
  t.equal((await startValidator(t, status(401))).asked.length, 0)
})
