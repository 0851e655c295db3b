// The bytes a conversation begins with stay the same as it grows, and tell conversations apart.
import fc from 'fast-check'
import t from 'tap'
import { RequestRouting } from '../../openai/routing.ts'
import { check } from './property.ts'

function opening (path: string, body: object | string | undefined): string | undefined {
  const bytes = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const found = new RequestRouting(path, {}, bytes).opening
  return found && Buffer.from(found).toString()
}

const system = { role: 'system', content: 'You are {"role":"user"}.' }
const user = { role: 'user', content: 'Hi "there"' }
const assistant = { role: 'assistant', content: 'Hello' }
const list = (...turns: object[]): string => JSON.stringify(turns).slice(0, -1)

t.test('chat: up to the first turn of the user', t => {
  for (const path of ['/v1/chat/completions', '/v1/messages', '/tokenize']) {
    for (const rest of [[], [assistant], [assistant, user], [user]]) {
      t.equal(opening(path, { model: 'm', system: 's', messages: [system, user, ...rest] }), list(system, user))
    }
  }
  t.equal(opening('/v1/chat/completions', { messages: [system, assistant] }), list(system, assistant), 'all of it when the user is silent')
  t.equal(opening('/v1/chat/completions', '{"messages":[ {"content":1, "ro\\u006ce":"us\\u0065r"} , 2]}'), '[ {"content":1, "ro\\u006ce":"us\\u0065r"}')
  const silent = Array.from({ length: 100 }, () => assistant)
  t.equal(opening('/v1/chat/completions', { messages: silent }), list(...silent.slice(0, 64)), 'not searched without end')
  t.equal(opening('/v1/chat/completions', { messages: [] }), '[')
  t.end()
})

t.test('any conversation that grows', t => {
  const turn = fc.record({ role: fc.constantFrom('system', 'user', 'assistant'), content: fc.string() })
  check(t, 'same bytes', fc.property(fc.array(turn), fc.array(turn), fc.constantFrom(0, 2), (before, after, indent) => {
    const first = [...before, user]
    const write = (messages: object[]): string => JSON.stringify({ messages, model: 'm' }, null, indent)
    const expected = opening('/v1/chat/completions', write(first))
    if (expected === undefined || expected !== opening('/v1/chat/completions', write([...first, ...after]))) throw new Error(expected)
    const count = first.findIndex(({ role }) => role === 'user') + 1
    if ((JSON.parse(expected + ']') as unknown[]).length !== count) throw new Error('too much or too little')
  }))
  t.end()
})

t.test('responses', t => {
  t.equal(opening('/v1/responses', { input: 'x'.repeat(300) }), '"' + 'x'.repeat(255))
  t.equal(opening('/v1/responses', { prompt: { id: 'p' }, input: [system, { type: 'reasoning' }, user, assistant, user] }), list(system, { type: 'reasoning' }, user))
  t.end()
})

t.test('all else: the first 256 bytes', t => {
  t.equal(opening('/v1/completions', { model: 'm', prompt: 'short' }), '"short"')
  t.equal(opening('/v1/completions', { messages: [user], prompt: 'p'.repeat(300) }), '"' + 'p'.repeat(255))
  t.equal(opening('/v1/completions', { prompt: null, messages: [user, user] }), list(user), 'null is not there')
  for (const name of ['input', 'text', 'input_ids', 'token_ids']) {
    const value = Array.from({ length: 200 }, (_, i) => i)
    t.equal(opening('/v1/embeddings', { model: 'm', [name]: value }), JSON.stringify(value).slice(0, 256), name)
  }
  t.equal(opening('/v1/embeddings', { input: [user, user] }), JSON.stringify([user, user]), 'elsewhere input has no turns')
  t.equal(opening('/v1/rerank', { query: 'q'.repeat(300) }), `{"query":"${'q'.repeat(246)}`)
  t.equal(opening('/upload', 'y'.repeat(300)), 'y'.repeat(256))
  t.equal(opening('/v1/models', undefined), undefined)
  t.equal(opening('/v1/models', ''), undefined)
  t.end()
})
