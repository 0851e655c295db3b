// The key of a request: headers in their order, then session, then opening; nothing gives none.
import t from 'tap'
import { keyHeaders, routingKey } from '../../policies/routing-key.ts'
import { ringHashHex } from '../../policies/ring-hash.ts'
import { bytesOf, routing } from '../helpers/routing.ts'

t.test('headers come first, in their order', async t => {
  t.same(keyHeaders, ['x-session-id', 'x-user-id', 'x-tenant-id', 'x-correlation-id', 'x-request-id', 'x-trace-id'])
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
