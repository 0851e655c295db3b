// A stream may be added to where an event has ended, wherever its bytes were cut into chunks.
import fc from 'fast-check'
import t from 'tap'
import { openAiError } from '../../openai/errors.ts'
import { SseBoundary, errorEvent } from '../../openai/sse.ts'
import { check, cut } from './property.ts'

t.test('any stream, any cuts', t => {
  const text = fc.array(fc.constantFrom('\n', '\r', '\r\n', 'data: {}', 'x', '\u0a0a', ''), { maxLength: 12 }).map(parts => parts.join(''))
  const seen = { at: 0, inside: 0 }
  check(t, 'as told from the whole', fc.property(text, fc.array(fc.nat(), { maxLength: 8 }), (text, places) => {
    const bytes = Buffer.from(text)
    const boundary = new SseBoundary()
    for (const chunk of cut(bytes, places)) boundary.push(chunk)
    const expected = text === '' || /(?:\n\n|\r\r|\r\n\r\n)$/.test(text)
    seen[expected ? 'at' : 'inside']++
    if (boundary.atBoundary !== expected) throw new Error(JSON.stringify(text))
  }), 2_000)
  t.ok(seen.at > 200 && seen.inside > 200, JSON.stringify(seen))
  t.end()
})

t.test('a broken stream ends with an event that can be read', t => {
  const body = openAiError(502, 'the worker\n\nleft', null, 'worker_gone')
  for (const cutOff of ['', 'data: {"a":1}\n\n', 'data: {"a":1}\r\n\r\n', 'data: {"a":1}\n', 'data: {"a":', ': keep-alive\n\n']) {
    const boundary = new SseBoundary()
    boundary.push(Buffer.from(cutOff))
    const whole = cutOff + errorEvent(body, boundary.atBoundary).toString()
    const events = whole.split(/\r\n\r\n|\n\n|\r\r/)
    t.equal(events.pop(), '', 'nothing left open')
    t.same(JSON.parse((events.at(-1) ?? '').trim().replace(/^data: /, '')), body)
  }
  t.equal(errorEvent({ error: 1 }, true).toString(), 'data: {"error":1}\n\n')
  t.equal(errorEvent({ error: 1 }, false).toString(), '\n\ndata: {"error":1}\n\n')
  t.end()
})
