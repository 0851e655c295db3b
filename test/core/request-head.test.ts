// Heads that two readers could understand differently are found, whatever else stands in them; all others pass.
import fc from 'fast-check'
import t from 'tap'
import { headFault } from '../../core/request-head.ts'

const host = ['Host', 'router']

t.test('good heads', async t => {
  for (const raw of [
    host, ['HOST', ''], ['host', '[::1]:80'], [...host, 'Connection', 'keep-alive, Upgrade, x-mine'], [...host, 'Connection', 'close', 'Connection', 'TE'], [...host, 'Transfer-Encoding', 'Chunked'],
    [...host, 'Cookie', 'a', 'Cookie', 'b', 'Accept', 'a', 'Accept', 'b'], [...host, 'Content-Type', 'a/b', 'Authorization', 'c', 'Content-Length', '3'], [...host, 'Connection', ''],
    [...host, 'Transfer_Encoding', 'gzip', 'X-Host', 'a', 'X-Host', 'b']
  ]) t.equal(headFault(raw, 1), undefined, raw.join())
  t.equal(headFault([], 0), undefined, 'HTTP/1.0 needs no host')
})

t.test('bad heads', async t => {
  for (const [raw, fault] of [
    [[], 'Host is missing'], [[...host, 'host', 'router'], 'host is given twice'], [['Host', 'a b'], 'Host is not a host'], [['Host', 'u@a'], 'Host is not a host'],
    [[...host, 'Content-Type', 'a/b', 'content-type', 'a/b'], 'content-type is given twice'], [[...host, 'Authorization', 'a', 'AUTHORIZATION', 'b'], 'authorization is given twice'],
    [[...host, 'Transfer-Encoding', 'gzip, chunked'], 'Transfer-Encoding is not understood'], [[...host, 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'], 'transfer-encoding is given twice'],
    [[...host, 'Connection', 'close', 'Connection', 'Authorization'], 'Connection must not name authorization'], [[...host, 'Connection', ' , X-Forwarded-Proto '], 'Connection must not name x-forwarded-proto']
  ] as const) t.equal(headFault(raw, 1), fault)
  t.equal(headFault([...host, 'Transfer-Encoding', 'chunked'], 0), 'Transfer-Encoding is not understood')
})

t.test('whatever stands around them', async t => {
  const harmless = fc.tuple(fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/).map(name => `x${name}`), fc.string())
  fc.assert(fc.property(fc.array(harmless, { maxLength: 30 }), fc.nat(30), fc.constantFrom('HOST', 'Content-Type', 'authorization', 'Content-Length', 'Transfer-Encoding'), (around, at, name) => {
    const value = name === 'Transfer-Encoding' ? 'chunked' : '1'
    const flat = around.flat()
    const place = Math.min(at * 2, flat.length)
    const once = [...(name === 'HOST' ? [] : host), ...flat.slice(0, place), name, value, ...flat.slice(place)]
    t.equal(headFault(once, 1), undefined)
    t.equal(headFault([...once, name.toLowerCase(), value], 1), `${name.toLowerCase()} is given twice`)
  }))
})
