// What is located at the top level is what JSON.parse sees there, however the JSON is written.
import fc from 'fast-check'
import t from 'tap'
import { locateFields, readBoolean, readString, readText } from '../../openai/locate.ts'
import { check, messyJson } from './property.ts'

const names = ['model', 'stream', 'a', 'é€😀', '"', 'x\\', '__proto__', '']
const key = fc.oneof(fc.constantFrom(...names), fc.string({ unit: 'grapheme', maxLength: 6 }))
const nasty = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.array(fc.constantFrom('\\', '"', '{', '}', '[', ']', ',', ':', 'a', '\n', 'é'), { maxLength: 120 }).map(parts => parts.join('')),
  fc.nat({ max: 70 }).map(n => 'x'.repeat(n) + '\\'.repeat(n % 7) + '"')
)
const leaf = fc.oneof(nasty, fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null))
const { value } = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('value'), { maxLength: 4 }), fc.dictionary(key, tie('value'), { maxKeys: 4 }))
}))
const object = fc.dictionary(key, value, { maxKeys: 8 })
const choices = fc.infiniteStream(fc.nat()).map(stream => () => Number(stream.next().value))

t.test('every top-level value of any JSON object', t => {
  let compared = 0
  check(t, 'located spans parse to what JSON.parse sees', fc.property(object, choices, fc.boolean(), (value, next, marked) => {
    const text = messyJson(value, next)
    const body = Buffer.from((marked ? '\ufeff' : '') + text)
    const parsed = JSON.parse(text) as Record<string, unknown>
    const wanted = new Set([...Object.keys(parsed), 'not there'])
    const found = locateFields(body, wanted)
    if (found === undefined) throw new Error('not taken for an object')
    if (String([...found.keys()].sort()) !== String(Object.keys(parsed).sort())) throw new Error(`found ${[...found.keys()]}`)
    for (const [name, span] of found) {
      const expected = parsed[name]
      const slice = body.toString('utf8', span.start, span.end)
      if (JSON.stringify(JSON.parse(slice)) !== JSON.stringify(expected)) throw new Error(`${name}: ${slice}`)
      if (readString(body, span) !== (typeof expected === 'string' ? expected : undefined)) throw new Error(`string ${slice}`)
      if (readBoolean(body, span) !== (typeof expected === 'boolean' ? expected : undefined)) throw new Error(`boolean ${slice}`)
      const text = typeof expected === 'string' ? expected : typeof expected === 'number' ? slice : undefined
      if (readText(body, span) !== text) throw new Error(`text ${slice}`)
      compared++
    }
  }))
  t.ok(compared > 500, `${compared} values compared`)
  t.end()
})

t.test('only the names asked for, and only at the top level', t => {
  const body = Buffer.from('{"x":{"model":"inner"},"s":"\\"model\\":\\"text\\"","model":"m","y":[{"model":1}]}')
  const found = locateFields(body, new Set(['model']))
  t.same([...(found ?? [])].map(([name, { start, end }]) => [name, body.toString('utf8', start, end)]), [['model', '"m"']])
  t.end()
})

t.test('a part of a body is an object of its own', t => {
  const body = Buffer.from('[{"role":"user"},{"role":"x"}]')
  const found = locateFields(body, new Set(['role']), 1, 16)
  t.same(found?.get('role'), { start: 9, end: 15 })
  t.equal(locateFields(body, new Set(['role']), 1, 15), undefined, 'cut before its brace')
  t.equal(locateFields(body, new Set(['role']), 1, 12), undefined, 'cut inside a string that goes on behind')
  t.end()
})
