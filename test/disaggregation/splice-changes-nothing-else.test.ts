// Edits of an object in raw bytes: what JSON.parse sees is the object edited, and every other byte stays.
import fc from 'fast-check'
import t from 'tap'
import { splice, edits } from '../../disaggregation/splice.ts'
import type { Edit, Edits } from '../../disaggregation/splice.ts'
import { eachMember } from '../../openai/locate.ts'
import { check, messyJson } from '../openai/property.ts'

const names = ['max_tokens', 'stream', 'é€😀', '"', 'x\\', '__proto__', 'constructor', '']
const key = fc.oneof(fc.constantFrom(...names), fc.string({ unit: 'grapheme', maxLength: 6 }))
const leaf = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constantFrom('}', '{', '",', '\\', '[]'), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)
)
const { value } = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('value'), { maxLength: 4 }), fc.dictionary(key, tie('value'), { maxKeys: 4 }))
}))
const object = fc.dictionary(key, value, { maxKeys: 8 })
const choices = fc.infiniteStream(fc.nat()).map(stream => () => Number(stream.next().value))
const kind = fc.constantFrom('set', 'replace', 'remove')
const wanted = fc.array(fc.tuple(key, kind, value), { maxLength: 4 })

type Entries = Array<readonly [string, unknown]>

function sorted (entries: Entries): string {
  return JSON.stringify([...entries].sort(([one], [two]) => one < two ? -1 : 1))
}

/** Members as they are written, with all their bytes, but for some keys. */
function raw (body: Buffer, but: (key: string) => boolean): string[] {
  const members: string[] = []
  if (!eachMember(body, (key, keyStart, _, end) => { if (!but(key)) members.push(body.toString('latin1', keyStart, end)) })) throw new Error('no object any more')
  return members
}

t.test('any edits of any object, however it is written', async t => {
  check(t, 'the same as of the object', fc.property(object, choices, fc.boolean(), wanted, fc.array(fc.nat(), { maxLength: 3 }), (value, next, marked, some, picks) => {
    const text = messyJson(value, next)
    const body = Buffer.from((marked ? '\ufeff' : '') + text)
    const parsed = new Map(Object.entries(JSON.parse(text) as Record<string, unknown>))
    // keys that are there, too
    const keys = [...parsed.keys()]
    const all = [...some, ...picks.flatMap((pick, at) => keys.length === 0 ? [] : [[keys[pick % keys.length] ?? '', ['set', 'replace', 'remove'][at] ?? 'set', at] as const])]
    const changes: Edits = new Map(all.map(([key, kind, value]): [string, Edit] => {
      const json = JSON.stringify(value)
      return [key, kind === 'remove' ? 'remove' : kind === 'set' ? { set: json } : { replace: Buffer.from(json) }]
    }))
    const expected = new Map(parsed)
    for (const [key, edit] of changes) {
      if (edit === 'remove') expected.delete(key)
      else if ('set' in edit) expected.set(key, JSON.parse(String(edit.set)))
      else if ('replace' in edit && expected.has(key)) expected.set(key, JSON.parse(String(edit.replace)))
    }
    const after = splice(body, changes)
    if (after === undefined) throw new Error('not taken for an object')
    const seen = Object.entries(JSON.parse(after.toString().replace(/^\ufeff/, '')) as Record<string, unknown>)
    if (sorted(seen) !== sorted([...expected])) throw new Error(`${text} -> ${after.toString()}`)
    const untouched = (bytes: Buffer): string => raw(bytes, key => changes.has(key)).join('\u0000')
    if (untouched(body) !== untouched(after)) throw new Error(`other members changed: ${text} -> ${after.toString()}`)
    if (changes.size === 0 && after !== body) throw new Error('copied without need')
  }), 2000)
})

t.test('a value in place of another: not one more byte', async t => {
  const text = '{ "a" : 1.0e5 , "b":[ 1,2 ],"c" : {"d":0.699999988079071 , "a":1}\n}'
  const after = splice(Buffer.from(text), edits({ b: { replace: 'null' }, c: { inside: edits({ a: { set: '2' }, e: { set: '3' } }) }, x: { replace: '1' }, y: { inside: edits({ z: { set: '1' } }) } }))
  t.equal(after?.toString(), '{ "a" : 1.0e5 , "b":null,"c" : {"d":0.699999988079071 , "a":2,"e":3}\n}')
})

t.test('where members come and go', async t => {
  for (const [text, changes, expected] of [
    ['{}', { a: { set: '1' }, b: { set: '2' } }, '{"a":1,"b":2}'],
    [' { } ', { a: { set: '1' } }, ' {"a":1 } '],
    ['{"a":1}', { a: 'remove' }, '{}'],
    ['{ "a":1 }', { a: 'remove', b: { set: '2' } }, '{ "b":2 }'],
    ['{"a":1, "b":2, "c":3}', { a: 'remove' }, '{"b":2, "c":3}'],
    ['{"a":1, "b":2, "c":3}', { b: 'remove' }, '{"a":1, "c":3}'],
    ['{"a":1, "b":2, "c":3}', { c: 'remove' }, '{"a":1, "b":2}'],
    ['{"a":1, "b":2, "c":3}', { b: 'remove', c: 'remove', d: { set: '4' } }, '{"a":1,"d":4}'],
    ['{"a":1, "b":2, "c":3}', { a: 'remove', b: 'remove', c: 'remove' }, '{}'],
    ['{"a":1,"a":2,"\\u0061":3}', { a: { set: '9' } }, '{"a":9,"a":9,"\\u0061":9}'],
    ['{"a":1,"b":0,"a":2}', { a: 'remove' }, '{"b":0}'],
    ['{"a":null}', { a: { inside: edits({ b: { set: '1' } }) } }, '{"a":null}'],
    ['{"a":{}}', { a: { inside: edits({ b: { set: '1' } }) } }, '{"a":{"b":1}}']
  ] as ReadonlyArray<[string, Record<string, Edit>, string]>) t.equal(splice(Buffer.from(text), edits(changes))?.toString(), expected, text)
})

t.test('what is no object', async t => {
  for (const text of ['', '[]', 'null', '{"a":1', '{"a" 1}', '{"a":1}}', '"{}"', '{"a":1 "b":2}']) t.equal(splice(Buffer.from(text), edits({ a: { set: '1' } })), undefined, text)
})
