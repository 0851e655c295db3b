// Anything may come as a body: the scan answers undefined, it does not throw and does not loop.
import fc from 'fast-check'
import t from 'tap'
import { eachElement, locateFields, readBoolean, readString, readText } from '../../openai/locate.ts'
import { check } from './property.ts'

const names = new Set(['a', 'model'])

t.test('what is no object, cut off or broken', t => {
  const broken = [
    '', ' ', '{', '[]', '"a"', '1', 'null', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{"a":,}', '{"a" 1}', '{a:1}', '{"a":"x}',
    '{"a":[1}', '{"a":1}}', '{"a":1} x', '{"a":1 "b":2}', '{,}', '{"\\x":1}', '{"\\', '{"a":"\\', '{"a":"\\"}', '{"a":{"b":"\\"}}', '{"a":}',
    '{"a"::1}', '--boundary', '{"a":"' + 'x'.repeat(60) + '\\"}', '\u0000{"a":1}'
  ]
  for (const text of broken) t.equal(locateFields(Buffer.from(text), names), undefined, JSON.stringify(text))
  t.end()
})

t.test('every beginning of a good body', t => {
  const whole = Buffer.from(' {"a":[1,{"b":"\\\\"}],"model":"m\\"","c":{}}')
  t.ok(locateFields(whole, names)?.get('model'))
  for (let n = 0; n < whole.length; n++) {
    if (locateFields(whole.subarray(0, n), names) !== undefined) t.fail(whole.toString('utf8', 0, n))
    if (locateFields(whole, names, 0, n) !== undefined) t.fail(`up to ${n}`)
  }
  t.end()
})

t.test('what Python reads and JSON.parse does not', t => {
  const body = Buffer.from('{"a":NaN,"x":-Infinity,"model":"m"}')
  t.ok(locateFields(body, names)?.has('model'))
  t.end()
})

t.test('any bytes', t => {
  const tokens = fc.array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', '"a"', '"a":', '1', ' ', 'true', '\\u00'), { maxLength: 60 })
  const good = '{"a":[1,{"b":"\\\\"}],"model":"m\\"x","c":{},"a":true}'
  const changes = fc.array(fc.tuple(fc.nat(good.length), fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', 'a', ' ')), { minLength: 1, maxLength: 4 })
  const bytes = fc.oneof(
    tokens.map(parts => Buffer.from(parts.join(''))),
    tokens.map(parts => Buffer.from(`{"a":${parts.join('')}`)),
    changes.map(list => {
      const body = Buffer.from(good)
      for (const [at, byte] of list) body.write(byte, at)
      return body
    }),
    fc.uint8Array({ maxLength: 200 }).map(array => Buffer.from(array))
  )
  let objects = 0
  check(t, 'never throws; a body JSON.parse takes is taken, to the same keys', fc.property(bytes, fc.nat(250), fc.nat(250), (body, start, end) => {
    const found = locateFields(body, names)
    if (found !== undefined) objects++
    locateFields(body, names, start, end)
    readString(body, { start, end })
    readText(body, { start, end })
    readBoolean(body, { start, end })
    let visited = 0
    eachElement(body, { start: 0, end: body.length }, ({ start, end }) => {
      if (end <= start) throw new Error('an empty element')
      visited++
    })
    if (visited > body.length) throw new Error('more elements than bytes')
    let parsed: unknown
    try {
      parsed = JSON.parse(body.toString())
    } catch {
      return
    }
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    if (isObject !== (found !== undefined)) throw new Error('taken for something else')
    if (isObject && Object.hasOwn(parsed as object, 'a') !== found?.has('a')) throw new Error('another key')
  }), 5_000)
  t.ok(objects > 100, `${objects} of them were objects`)
  t.end()
})
