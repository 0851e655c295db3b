// A stream is changed line by line, wherever it is cut; what is not asked for passes as it came, and what is too long passes, too.
import fc from 'fast-check'
import t from 'tap'
import type { StreamChange, WholeChange } from '../../core/delivery.ts'
import { answerRewrite, longestEvent } from '../../disaggregation/answer-rewrite.ts'
import { readPrefillAnswer } from '../../disaggregation/prefill-answer.ts'
import type { PrefillAnswer } from '../../disaggregation/prefill-answer.ts'
import { check, cut } from '../openai/property.ts'

const sse = ['Content-Type', 'text/event-stream; charset=utf-8']
const usage = { usage: { prompt_tokens: 40, prompt_tokens_details: { cached_tokens: 7 } } }

function read (answer: object): PrefillAnswer | undefined {
  return readPrefillAnswer(Buffer.from(JSON.stringify(answer)))
}

function change (from: PrefillAnswer | undefined, id?: { legs: string, own: string }, passed = (): void => {}): StreamChange {
  const made = answerRewrite({ prefill: () => from, id, passed }).begin(200, sse)
  if (made === undefined || 'bytes' in made) throw new Error('not a change of a stream')
  return made
}

function run (made: StreamChange, pieces: readonly Buffer[]): string {
  return Buffer.concat([...pieces.map(piece => made.push(piece)), made.end()]).toString()
}

const stream = [
  'data: {"id":"x","choices":[{"index":0,"delta":{"content":"say \\"usage\\""}}],"usage":null}\n\n',
  ': a comment with "usage"\r\n\r\n',
  'event: response.completed\ndata:{"response":{"usage":{"input_tokens":39,"output_tokens":2,"total_tokens":41}}}\n\n',
  'data: {"choices":[],"usage":{"prompt_tokens":39,"total_tokens":41,"completion_tokens":2}}\r\r',
  'data: {"usage" broken\n\ndata: {"usage":{"prompt_tokens":39,\ndata: "completion_tokens":1}}\n\n',
  'data: [DONE]\n\n', 'data: {"usage":{"prompt_tokens":39} cut'
].join('')
const changed = stream
  .replace('"input_tokens":39,"output_tokens":2,"total_tokens":41', '"input_tokens":40,"output_tokens":2,"total_tokens":42,"input_tokens_details":{"cached_tokens":7}')
  .replace('{"prompt_tokens":39,"total_tokens":41,"completion_tokens":2}', '{"prompt_tokens":40,"total_tokens":42,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":7}}')

t.test('wherever the stream is cut', async t => {
  t.equal(run(change(read(usage)), [Buffer.from(stream)]), changed)
  check(t, 'the same bytes', fc.property(fc.array(fc.nat(), { maxLength: 30 }), places => {
    const got = run(change(read(usage)), cut(Buffer.from(stream), places))
    if (got !== changed) throw new Error(got)
  }))
})

t.test('a piece without anything to change is not even copied', async t => {
  const made = change(read(usage))
  const piece = Buffer.from('data: {"choices":[]}\n\n')
  t.equal(made.push(piece), piece)
  const early = change(undefined)
  const other = Buffer.from('data: {"usage":{"prompt_tokens":1}}\n\n')
  t.equal(early.push(other), other, 'nor before the prefill worker has told')
})

t.test('a line that is too long passes, and those behind it are looked into', async t => {
  let passed = 0
  const long = `data: {"x":"${'a'.repeat(3 * longestEvent)}","usage":{"prompt_tokens":39}}\n\n`
  const text = long + 'data: {"usage":{"prompt_tokens":39}}\n\n'
  const expected = long + 'data: {"usage":{"prompt_tokens":40,"prompt_tokens_details":{"cached_tokens":7}}}\n\n'
  for (const size of [1000, 65_536, 10_000_000]) {
    const pieces: Buffer[] = []
    for (let at = 0; at < text.length; at += size) pieces.push(Buffer.from(text.slice(at, at + size)))
    passed = 0
    const made = change(read(usage), undefined, () => { passed++ })
    let most = 0
    let sent = 0
    let got = 0
    const out = pieces.map(piece => {
      sent += piece.length
      const part = made.push(piece)
      got += part.length
      most = Math.max(most, sent - got)
      return part
    })
    t.equal(Buffer.concat([...out, made.end()]).toString() === expected, true, `in pieces of ${size}`)
    t.equal(passed, 1)
    t.ok(most <= longestEvent + size, `${most} bytes were held`)
  }
})

t.test('the prompt\'s logprobs come with the first event of each choice', async t => {
  const from = read({ choices: [{ index: 0, logprobs: { tokens: ['A', 'x'], token_logprobs: [null, -1] } }] })
  const event = (index: number, token: string): string => `data: {"choices":[{"index":${index},"text":"${token}","logprobs":{"tokens":["${token}"],"token_logprobs":[-2]}}]}\n\n`
  t.equal(run(change(from), [event(0, 'b'), event(1, 'c'), event(0, 'd')].map(text => Buffer.from(text))),
    event(0, 'b').replace('["b"]', '["A","b"]').replace('[-2]', '[null,-2]') + event(1, 'c') + event(0, 'd'))
})

t.test('the id both legs went by is not the client\'s to see', async t => {
  const id = { legs: '___prefill_addr_10.0.0.1:1___decode_addr_10.0.0.2:2_00ff', own: 'own "id"' }
  const text = `data: {"id":"chatcmpl-${id.legs}"}\n\ndata: {"id":"chatcmpl-${id.legs}","usage":{"prompt_tokens":39}}\n\n`
  const expected = 'data: {"id":"chatcmpl-own \\"id\\""}\n\ndata: {"id":"chatcmpl-own \\"id\\"","usage":{"prompt_tokens":40,"prompt_tokens_details":{"cached_tokens":7}}}\n\n'
  check(t, 'wherever it is cut', fc.property(fc.array(fc.nat(), { maxLength: 10 }), places => {
    if (run(change(read(usage), id), cut(Buffer.from(text), places)) !== expected) throw new Error('other bytes')
  }), 200)
  t.equal(run(change(undefined, id), [Buffer.from(text)]), expected.replace(/40,"prompt_tokens_details":\{.*?\}/, '39'), 'also where nothing is known of the prompt')
})

t.test('which answers are changed', async t => {
  const begin = (status: number, ...headers: string[]): WholeChange | StreamChange | undefined => answerRewrite({ prefill: () => undefined, passed () {} }).begin(status, headers)
  const whole = begin(200, 'content-type', 'application/json')
  if (whole === undefined || !('bytes' in whole)) throw new Error('not a whole change')
  t.equal(whole.bytes, 8 * 1024 * 1024)
  for (const [status, ...headers] of [[400, 'content-type', 'application/json'], [200, 'content-type', 'text/plain'], [200, 'content-type', 'application/json', 'content-encoding', 'gzip'], [200, ...sse, 'content-encoding', 'br'], [200]] as const) {
    t.equal(begin(status, ...headers), undefined, `${status} ${headers.join(' ')}`)
  }
})
