// The elements of a JSON array are visited in order, until the visitor has seen enough.
import fc from 'fast-check'
import t from 'tap'
import { eachElement } from '../../openai/locate.ts'
import { check, messyJson } from './property.ts'

function elements (text: string, most = Infinity): string[] {
  const body = Buffer.from(text)
  const seen: string[] = []
  eachElement(body, { start: 0, end: body.length }, ({ start, end }) => {
    seen.push(body.toString('utf8', start, end))
    return seen.length === most
  })
  return seen
}

t.test('any array', t => {
  const choices = fc.infiniteStream(fc.nat()).map(stream => () => Number(stream.next().value))
  check(t, 'elements parse to those JSON.parse sees', fc.property(fc.array(fc.jsonValue()), choices, (array, next) => {
    const text = messyJson(array, next).trim()
    const seen = elements(text).map(element => JSON.stringify(JSON.parse(element)))
    const expected = (JSON.parse(text) as unknown[]).map(element => JSON.stringify(element))
    if (seen.length !== expected.length || seen.some((element, i) => element !== expected[i])) throw new Error(String(seen))
  }), 200)
  t.end()
})

t.test('stops when told, ends where the array is broken', t => {
  t.same(elements('[1,2,3]', 2), ['1', '2'])
  t.same(elements('[]'), [])
  t.same(elements('[1,"x'), ['1'])
  t.same(elements('[1 2]'), ['1'])
  t.same(elements('[1,,2]'), ['1'])
  t.same(elements('{"a":1}'), [])
  t.same(elements('"[1]"'), [])
  eachElement(Buffer.from('[1,"ab","cd"]'), { start: 0, end: 5 }, ({ start }) => { t.equal(start, 1, 'none beyond the span') })
  t.end()
})
