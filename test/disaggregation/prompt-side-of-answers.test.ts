// The prompt's side of a decode worker's answer becomes the prefill worker's: usage, cached tokens, logprobs; no other byte changes.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { mergeAnswer } from '../../disaggregation/merge.ts'
import { readPrefillAnswer } from '../../disaggregation/prefill-answer.ts'
import type { PrefillAnswer } from '../../disaggregation/prefill-answer.ts'
import { check, messyJson } from '../openai/property.ts'

function prefill (answer: object): PrefillAnswer {
  const read = readPrefillAnswer(Buffer.from(JSON.stringify(answer)))
  if (read === undefined) throw new Error('no object')
  return read
}

const merged = (answer: string, from: object): string => mergeAnswer(Buffer.from(answer), prefill(from)).toString()

t.test('usage', async t => {
  const usage = { prompt_tokens: 133, completion_tokens: 1, total_tokens: 134, prompt_tokens_details: { cached_tokens: 96, created_cache_tokens: 0 } }
  for (const [name, answer, from, expected] of [
    ['details as the prefill worker told them', '{"id":"x", "usage":{"prompt_tokens":133,"total_tokens":145, "completion_tokens":12,"prompt_tokens_details":{"cached_tokens":132}},"z":1.0}', usage,
      '{"id":"x", "usage":{"prompt_tokens":133,"total_tokens":145, "completion_tokens":12,"prompt_tokens_details":{"cached_tokens":96,"created_cache_tokens":0}},"z":1.0}'],
    ['another count of the prompt', '{"usage":{"prompt_tokens":1,"total_tokens":13,"completion_tokens":12,"prompt_tokens_details":null}}', usage,
      '{"usage":{"prompt_tokens":133,"total_tokens":145,"completion_tokens":12,"prompt_tokens_details":{"cached_tokens":96,"created_cache_tokens":0}}}'],
    ['details only the prefill worker tells', '{"usage":{"prompt_tokens":133,"completion_tokens":12,"total_tokens":145}}', usage,
      '{"usage":{"prompt_tokens":133,"completion_tokens":12,"total_tokens":145,"prompt_tokens_details":{"cached_tokens":96,"created_cache_tokens":0}}}'],
    ['details it does not tell', '{"usage":{"prompt_tokens":133,"completion_tokens":12,"total_tokens":145,"prompt_tokens_details":{"cached_tokens":132,"x":1}}}', { prompt_tokens: 133 },
      '{"usage":{"prompt_tokens":133,"completion_tokens":12,"total_tokens":145,"prompt_tokens_details":{"x":1}}}'],
    ['null details', '{"usage":{"prompt_tokens":133,"prompt_tokens_details":null}}', { prompt_tokens: 133, prompt_tokens_details: null }, '{"usage":{"prompt_tokens":133,"prompt_tokens_details":null}}'],
    ['responses', '{"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":8},"output_tokens":5,"total_tokens":14}}', { input_tokens: 10, input_tokens_details: { cached_tokens: 0 } },
      '{"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":0},"output_tokens":5,"total_tokens":15}}'],
    ['within an event', ' {"type":"response.completed","response":{"id":"r","usage":{"input_tokens":9,"output_tokens":5,"total_tokens":14}}}', { input_tokens: 10 },
      ' {"type":"response.completed","response":{"id":"r","usage":{"input_tokens":10,"output_tokens":5,"total_tokens":15}}}'],
    ['no usage yet', '{"usage":null,"choices":[]}', usage, '{"usage":null,"choices":[]}'],
    ['none told', '{"usage":{"prompt_tokens":1,"total_tokens":2}}', {}, '{"usage":{"prompt_tokens":1,"total_tokens":2}}']
  ] as const) t.equal(merged(answer, { usage: from }), expected, name)
  t.equal(merged('no JSON', { usage }), 'no JSON')
  const same = Buffer.from('{"usage":{"prompt_tokens":133,"total_tokens":134,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":96,"created_cache_tokens":0}}}')
  t.equal(mergeAnswer(same, prefill({ usage })), same, 'not even copied where nothing differs')
})

t.test('prompt_logprobs, at the top and of a choice', async t => {
  const from = { prompt_logprobs: [null, { 5: { logprob: -1.5 } }], choices: [{ index: 1, prompt_logprobs: [null] }] }
  t.equal(merged('{"prompt_logprobs":null,"choices":[{"index":0,"prompt_logprobs":null},{"index":1,"prompt_logprobs":null}]}', from),
    '{"prompt_logprobs":[null,{"5":{"logprob":-1.5}}],"choices":[{"index":0,"prompt_logprobs":null},{"index":1,"prompt_logprobs":[null]}]}')
  t.equal(merged('{"choices":[{"index":1}]}', from), '{"choices":[{"index":1}]}', 'added nowhere')
})

t.test('logprobs of an echoed prompt', async t => {
  const from = { choices: [{ index: 0, logprobs: { text_offset: [0, 3, 5], tokens: ['The', ' "q"', 'x'], token_logprobs: [null, -2.25, -9], top_logprobs: [null, { a: -1 }, { x: 0 }] } }] }
  t.equal(merged('{"choices":[{"index":0,"text":"t","logprobs":{"text_offset":[ 7,8],"token_logprobs":[-0.5,-0.25],"tokens":["fox"," x"],"top_logprobs":[]}}]}', from),
    '{"choices":[{"index":0,"text":"t","logprobs":{"text_offset":[ 0,3,7,8],"token_logprobs":[null,-2.25,-0.5,-0.25],"tokens":["The"," \\"q\\"","fox"," x"],"top_logprobs":[null,{"a":-1}]}}]}',
    'put before the decode worker\'s own')
  t.equal(merged('{"choices":[{"index":0,"logprobs":{"tokens":["The"," \\"q\\"","fox"],"token_logprobs":[null,null,-0.5],"text_offset":[0,3,7],"top_logprobs":[null,null,{"fox":-0.5}]}}]}', from),
    '{"choices":[{"index":0,"logprobs":{"tokens":["The"," \\"q\\"","fox"],"token_logprobs":[null,-2.25,-0.5],"text_offset":[0,3,7],"top_logprobs":[null,{"a":-1},{"fox":-0.5}]}}]}',
    'in the place of those it echoed itself')
  t.equal(merged('{"choices":[{"index":0,"logprobs":null}]}', from), '{"choices":[{"index":0,"logprobs":null}]}')
  const alone = { choices: [{ index: 0, logprobs: { tokens: ['x'], token_logprobs: [-9] } }] }
  t.equal(merged('{"choices":[{"index":0,"logprobs":{"tokens":["a"]}}]}', alone), '{"choices":[{"index":0,"logprobs":{"tokens":["a"]}}]}', 'nothing was echoed')
})

t.test('nothing else of any answer', async t => {
  const value = fc.jsonValue({ maxDepth: 3, noUnicodeString: false })
  const choices = fc.infiniteStream(fc.nat()).map(stream => () => Number(stream.next().value))
  const usage = { prompt_tokens: 40, total_tokens: 41, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 7 } }
  check(t, 'parses to the same with another usage', fc.property(fc.dictionary(fc.string(), value, { maxKeys: 5 }), fc.nat(999), choices, (others, made, next) => {
    const own = { ...others, usage: { prompt_tokens: 39, completion_tokens: made, total_tokens: 39 + made, prompt_tokens_details: { cached_tokens: 39 } } }
    const text = messyJson(own, next)
    const after: unknown = JSON.parse(mergeAnswer(Buffer.from(text), prefill({ usage })).toString())
    const expected: unknown = { ...JSON.parse(text), usage: { prompt_tokens: 40, completion_tokens: made, total_tokens: 40 + made, prompt_tokens_details: { cached_tokens: 7 } } }
    if (!isDeepStrictEqual(after, expected)) throw new Error(`${text} -> ${JSON.stringify(after)}`)
  }))
})

t.test('what a prefill answer tells', async t => {
  t.equal(readPrefillAnswer(Buffer.from('[]')), undefined)
  t.equal(prefill({ kv_transfer_params: null }).params, undefined)
  t.equal(prefill({ kv_transfer_params: { remote_block_ids: [[1, 2]] } }).params?.toString(), '{"remote_block_ids":[[1,2]]}')
  t.equal(prefill({ usage: { prompt_tokens: 'many' } }).usage, undefined)
  t.match(prefill({ usage: { input_tokens: 12, input_tokens_details: null } }).usage, { tokens: '12', details: undefined })
})
