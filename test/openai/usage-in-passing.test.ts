// Token counts are read from a response's bytes as they pass, whatever API it is of and wherever it was cut.
import fc from 'fast-check'
import t from 'tap'
import { UsageReader } from '../../openai/usage.ts'
import type { Usage } from '../../openai/usage.ts'
import { check, cut } from './property.ts'

function read (text: string, places: readonly number[] = [], wantId?: string): Usage & { id: string | undefined } {
  const reader = new UsageReader(wantId === undefined ? {} : { wantId })
  for (const chunk of cut(Buffer.from(text), places)) reader.push(chunk)
  return { ...reader.end(), id: reader.id }
}

function usage (promptTokens?: number, completionTokens?: number, cachedTokens?: number, id?: string): ReturnType<typeof read> {
  return { promptTokens, completionTokens, cachedTokens, id }
}

const sse = (...events: object[]): string => events.map(event => `data: ${JSON.stringify(event)}\n\n`).join('') + 'data: [DONE]\n\n'
const chat = { prompt_tokens: 12, total_tokens: 17, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 8 }, completion_tokens_details: null }

t.test('the names of each API', t => {
  t.same(read(JSON.stringify({ id: 'c', choices: [{ message: { content: 'hi' } }], usage: chat })), usage(12, 5, 8))
  t.same(read(sse({ choices: [{ delta: { content: 'hi' } }], usage: null }, { choices: [], usage: chat })), usage(12, 5, 8))
  t.same(read(sse({ type: 'response.created', response: { usage: null } }, { response: { usage: { input_tokens: 3, input_tokens_details: { cached_tokens: 0 }, output_tokens: 4 } } })), usage(3, 4, 0))
  t.same(read(JSON.stringify({ usage: { input_tokens: 3, output_tokens: 4, cache_read_input_tokens: 2 } })), usage(3, 4, 2))
  t.same(read(sse({ type: 'message_start', message: { usage: { input_tokens: 9, output_tokens: 1, cache_read_input_tokens: 2 } } }, { type: 'message_delta', usage: { output_tokens: 30 } })), usage(9, 30, 2), 'stated in two parts')
  t.same(read(JSON.stringify({ usage: { prompt_tokens: 7, total_tokens: 7 } })), usage(7), 'embeddings')
  t.end()
})

t.test('the last one counts', t => {
  t.same(read(sse(...[1, 2, 3].map(n => ({ usage: { prompt_tokens: 10, completion_tokens: n } })))), usage(10, 3))
  t.end()
})

t.test('only real keys, only objects', t => {
  t.same(read(JSON.stringify({ content: '"usage":{"prompt_tokens":1}', x: 'usage', y: ['"usage":', '{"prompt_tokens":2}'] })), usage(), 'text')
  t.same(read('{"a":"\\\\\\"usage\\":{\\"prompt_tokens\\":1}","usage":7,"b":{"usage":"{"},"c":{"usage":[{}]}}'), usage())
  t.same(read('{"usage": \n\t{ "prompt_tokens" : 4, "note":"}\\"}{" , "deep":{"a":[{}]}}, "x":1}'), usage(4), 'spaces, braces in text')
  t.same(read('{"usage":{"prompt_tokens":"5","completion_tokens":-1,"prompt_tokens_details":5}}'), usage(), 'no counts')
  t.same(read('{"usage":{"prompt_tokens":x}}'), usage(), 'not JSON')
  t.same(read(''), usage())
  t.end()
})

t.test('a response that breaks off', t => {
  t.same(read('data: {"usage":{"prompt_tokens":1}}\n\ndata: {"usage":{"prompt_tokens":2'), usage(1))
  t.same(read('data: {"usage":{"prompt_tokens":2'), usage())
  t.end()
})

t.test('bounded', t => {
  const long = `{"usage":{"x":"${'y'.repeat(20_000)}","prompt_tokens":1}}`
  t.same(read(long), usage(), 'too long to be read')
  t.same(read(long + '{"usage":{"prompt_tokens":3}}'), usage(3), 'reads on after it')
  const most = (n: number): string => `{"usage":{"prompt_tokens":1,"x":"${'y'.repeat(n - 26)}"}}`
  t.same([read(most(16_384), [20, 9_000]).promptTokens, read(most(16_385), [20, 9_000]).promptTokens], [1, undefined], '16 KiB and no more')
  t.end()
})

t.test('any response, any cuts', t => {
  const piece = fc.constantFrom(
    '"usage":', '"usage"', '"usa', 'usage":', '""', '"', '{', '}', 'null', ' ', '\n\n', 'data: ', '{"prompt_tokens":1}', '{"usage":{"prompt_tokens":2,"completion_tokens":3}}',
    '{"usage":{"a":"\\"}","completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6}}}', '"id":', '"id":"', '"id":"resp_1"', '"id": "resp_é2"', '"id":"x"', '\\"', 'é'
  )
  let read1 = 0
  let ids = 0
  check(t, 'as read in one piece', fc.property(fc.array(piece, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 30 }), (pieces, places) => {
    const text = pieces.join('')
    const whole = read(text, [], 'resp_')
    if (whole.promptTokens !== undefined) read1++
    if (whole.id !== undefined) ids++
    for (const cuts of [places, Array.from({ length: Buffer.byteLength(text) }, (_, i) => i)]) {
      const inParts = read(text, cuts, 'resp_')
      if (JSON.stringify(inParts) !== JSON.stringify(whole)) throw new Error(`${JSON.stringify(whole)} in parts ${JSON.stringify(inParts)}`)
    }
  }), 3_000)
  t.ok(read1 > 300 && ids > 300, `${read1} had a usage, ${ids} an id`)
  t.end()
})

t.test('real streams, cut everywhere', t => {
  const text = sse({ id: 'msg_1', choices: [{ delta: { content: '"usage":{}' } }], usage: null }, { response: { id: 'resp_7', usage: chat } })
  for (let i = 0; i <= text.length; i++) {
    for (const places of [[i], [i, i + 1], [i, i + 9]]) t.same(read(text, places, 'resp_'), usage(12, 5, 8, 'resp_7'), `cut at ${places}`)
  }
  t.end()
})

t.test('the response id', t => {
  t.equal(read('{"id":"resp_a","x":{"id":"resp_b"}}', [], 'resp_').id, 'resp_a', 'the first one')
  t.equal(read('{"id":"msg_a","x":{"id" :"resp_0"},"y":{"id": "resp_b"}}', [], 'resp_').id, 'resp_b')
  t.equal(read('{"id":{"id":"resp_c"}}', [], 'resp_').id, 'resp_c')
  t.equal(read('{"text":"\\"id\\":\\"resp_d\\""}', [], 'resp_').id, undefined)
  t.equal(read('{"id":"resp_a"}').id, undefined, 'not asked for')
  t.equal(read(`{"id":"resp_${'x'.repeat(251)}"}`, [], 'resp_').id?.length, 256)
  t.equal(read(`{"id":"resp_${'x'.repeat(252)}"}`, [], 'resp_').id, undefined, 'too long')
  t.end()
})
