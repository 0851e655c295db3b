// The key of a request: headers in their order, then session, then opening; nothing gives none.
import fc from 'fast-check'
import t from 'tap'
import { headersOf, kept, keyHeaders, keysOfSession, routingKey } from '../../policies/routing-key.ts'
import { ringHashHex } from '../../policies/ring-hash.ts'
import { RequestRouting } from '../../openai/routing.ts'
import { bytesOf, routing } from '../helpers/routing.ts'

/** The headers of the Rust router, in its order. */
const rustHeaders = ['x-session-id', 'x-user-id', 'x-tenant-id', 'x-correlation-id', 'x-request-id', 'x-trace-id']
const agentHeaders = ['x-claude-code-session-id', 'session-id', 'thread-id']

t.test('headers come first, in their order', async t => {
  t.same(keyHeaders, [...rustHeaders.slice(0, 3), ...agentHeaders, ...rustHeaders.slice(3)])
  keyHeaders.forEach((name, at) => {
    const headers = Object.fromEntries(keyHeaders.slice(at).map(later => [later, `value of ${later}`]))
    t.same(routingKey(routing({ headers, session: 'user:u', opening: 'o' })), { key: `header:${name}:value of ${name}`, reason: 'header' })
  })
})

t.test('an empty header does not count', async t => {
  t.same(routingKey(routing({ headers: { 'x-session-id': '', 'x-user-id': 'u' } })), { key: 'header:x-user-id:u', reason: 'header' })
})

t.test('then the session the body names', async t => {
  t.same(routingKey(routing({ session: 'session:s', opening: 'o' })), { key: 'session:s', reason: 'session' })
})

t.test('then the opening: itself up to 100 bytes, its hash beyond', async t => {
  const plain = 'é'.repeat(50)
  t.same(routingKey(routing({ opening: plain })), { key: `request:${plain}`, reason: 'conversation' })
  const longer = plain + '!'
  t.same(routingKey(routing({ opening: longer })), { key: `request_hash:${ringHashHex(bytesOf(longer))}`, reason: 'conversation' })
})

t.test('nothing to tell requests apart by', async t => {
  t.equal(routingKey(routing()), undefined)
  t.equal(routingKey(routing({ opening: '' })), undefined)
})

t.test('a request that names itself as the Rust router knows it has the Rust router\'s key', async t => {
  const value = fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom('a', 'é', '"', '\\', ':', ' ') })
  const some = (names: readonly string[]): fc.Arbitrary<Record<string, string>> => fc.subarray([...names]).chain(chosen => fc.record(Object.fromEntries(chosen.map(name => [name, value]))))
  const inner = fc.record({ session_params: fc.option(fc.record({ session_id: value }), { nil: undefined }) })
  fc.assert(fc.property(some(rustHeaders), inner, some(['user', 'session_id', 'user_id']), some(['prompt_cache_key', 'conversation', 'previous_response_id']), (headers, params, fields, newer) => {
    const header = rustHeaders.find(name => headers[name] !== undefined)
    const field = params.session_params !== undefined
      ? `session:${params.session_params.session_id}`
      : fields['user'] !== undefined
        ? `user:${fields['user']}`
        : fields['session_id'] !== undefined ? `session:${fields['session_id']}` : fields['user_id'] === undefined ? undefined : `user:${fields['user_id']}`
    if (header === undefined && field === undefined) return
    const expected = header === undefined ? field : `header:${header}:${headers[header]}`
    const body = Buffer.from(JSON.stringify({ ...newer, messages: [{ role: 'user', content: 'hi' }], ...fields, ...params }))
    const found = routingKey(new RequestRouting('/v1/chat/completions', headers, body))
    if (found?.key !== expected) throw new Error(`${found?.key}, not ${expected}`)
  }), { seed: 5, numRuns: 500 })
  t.pass('no counterexample')
})

t.test('an agent\'s header counts before those that name one request only', async t => {
  const headers = { 'x-request-id': 'r', 'x-trace-id': 't', 'x-correlation-id': 'c' }
  for (const name of agentHeaders) {
    t.same(routingKey(routing({ headers: { ...headers, [name]: 's' }, session: 'user:u' })), { key: `header:${name}:s`, reason: 'header' })
    t.equal(routingKey(routing({ headers: { [name]: 's', 'x-tenant-id': 'n' } }))?.key, 'header:x-tenant-id:n')
  }
})

t.test('other headers on request, or none', async t => {
  const headers = { 'x-request-id': 'r', 'x-mine': 'm' }
  t.equal(routingKey(routing({ headers, session: 'user:u' }), ['x-mine'])?.key, 'header:x-mine:m')
  t.equal(routingKey(routing({ headers, session: 'user:u' }), [])?.key, 'user:u')
})

t.test('headers of an option, or else those that suit a policy', async t => {
  t.same(headersOf({ sessionHeaders: ['x-mine', 'x-request-id'] }, new Set(['x-request-id'])), ['x-mine', 'x-request-id'])
  for (const options of [{}, { sessionHeaders: [] }]) {
    t.same(headersOf(options), keyHeaders)
    t.same(headersOf(options, new Set(['x-request-id'])), keyHeaders.filter(name => name !== 'x-request-id'))
  }
})

t.test('what a session may be known by has the keys of requests', async t => {
  for (const name of ['x-session-id', 'session-id']) t.ok(keysOfSession('id').includes(routingKey(routing({ headers: { [name]: 'id' } }))?.key ?? ''))
  const keys = keysOfSession('17')
  for (const body of [{ user: 17 }, { session_id: '17' }, { prompt_cache_key: '17' }]) {
    t.ok(keys.includes(routingKey(new RequestRouting('/v1/chat/completions', {}, Buffer.from(JSON.stringify(body))))?.key ?? ''))
  }
})

t.test('tables keep long keys by their hash', async t => {
  t.equal(kept('x'.repeat(256)), 'x'.repeat(256))
  t.equal(kept('x'.repeat(257)), `key_hash:${ringHashHex('x'.repeat(257))}`)
})
