// 20 MB made to be slow to scan take no longer than 20 MB do: were any of these quadratic, the test would not end.
import t from 'tap'
import { locateFields } from '../../openai/locate.ts'
import { RequestRouting } from '../../openai/routing.ts'

const size = 20_000_000
/** Far above what is measured (under 1 s each), far below what one pass a byte would take (hours). */
const mostMs = 20_000

function filled (before: string, unit: string, after = ''): Buffer {
  const body = Buffer.alloc(size, ' ')
  const units = Math.floor((size - before.length - after.length) / unit.length)
  body.write(before)
  body.fill(unit, before.length, before.length + units * unit.length)
  body.write(after, before.length + units * unit.length)
  return body
}

const inputs: Record<string, { body: Buffer, object: boolean }> = {
  'open brackets': { body: filled('', '['), object: false },
  'open brackets as a value': { body: filled('{"a":', '['), object: false },
  'open objects': { body: filled('{"a":', '{'), object: false },
  quotes: { body: filled('', '"'), object: false },
  'quotes in an array': { body: filled('{"a":[', '"'), object: false },
  'quotes after a key': { body: filled('{', '"'), object: false },
  'backslashes in a value': { body: filled('{"a":"', '\\'), object: false },
  'backslashes before a quote, closed': { body: filled('{"a":"', '\\\\', '"}'), object: true },
  'backslashes in a key': { body: filled('{"', '\\'), object: false },
  'escaped quotes': { body: filled('{"a":"', '\\"', '"}'), object: true },
  'far escaped quotes': { body: filled('{"a":"', 'x'.repeat(60) + '\\\\\\"', '"}'), object: true },
  'runs of backslashes and quotes': { body: filled('{"a":"', '\\'.repeat(999) + '"', '"}'), object: true },
  'small members': { body: filled('{"a":1,', '"a":1, ', '"b":1}'), object: true },
  spaces: { body: filled('{', ' ', '}'), object: true },
  digits: { body: filled('{"a":', '1', '}'), object: true },
  'elements without a user': { body: filled('{"messages":[', '{},', '1]}'), object: true }
}

for (const [name, { body, object }] of Object.entries(inputs)) {
  t.test(name, t => {
    const start = performance.now()
    t.equal(locateFields(body, new Set(['a'])) !== undefined, object, 'understood')
    const routing = new RequestRouting('/v1/chat/completions', { 'content-type': 'multipart/form-data; boundary=[' }, body)
    t.equal(routing.model, undefined)
    t.ok(routing.opening)
    t.equal(routing.session, undefined)
    t.ok(routing.prefix.hashes.length <= 4096)
    const took = Math.round(performance.now() - start)
    t.ok(took < mostMs, `${took} ms`)
    t.end()
  })
}
