// What both legs send, byte for byte, by path and connector; and which requests are split at all.
import t from 'tap'
import { canSplit, decodeBody, prefillBody } from '../../disaggregation/legs.ts'
import { locateFields } from '../../openai/locate.ts'

const prefill = (text: string, path = '/v1/chat/completions', params?: string): string | undefined => prefillBody(Buffer.from(text), path, params)?.toString()

t.test('the prefill leg', async t => {
  const chat = '{"model":"m","messages":[{"role":"user","content":"hi"}]'
  for (const [name, text, expected, path] of [
    ['nothing said', chat + '}', chat + ',"stream":false,"max_tokens":1,"min_tokens":1}'],
    ['a stream', chat + ', "stream": true, "stream_options": {"include_usage": true}, "temperature": 0.70}', chat + ', "stream": false, "temperature": 0.70,"max_tokens":1,"min_tokens":1}'],
    ['both limits', chat + ',"max_tokens":50,"max_completion_tokens":60}', chat + ',"max_tokens":1,"max_completion_tokens":1,"stream":false,"min_tokens":1}'],
    ['the later limit alone', chat + ',"max_completion_tokens":60}', chat + ',"max_completion_tokens":1,"stream":false,"max_tokens":1,"min_tokens":1}'],
    ['a least number', chat + ',"min_tokens":7,"max_tokens":9}', chat + ',"min_tokens":1,"max_tokens":1,"stream":false}'],
    ['what is not ours', '{"n":1,"logprobs":true,"tools":[],"x":1e400,"max_tokens":2,"stream":false}', '{"n":1,"logprobs":true,"tools":[],"x":1e400,"max_tokens":1,"stream":false,"min_tokens":1}'],
    ['completions', '{"prompt":"a","max_tokens":2}', '{"prompt":"a","max_tokens":1,"stream":false,"min_tokens":1}', '/v1/completions'],
    ['responses', '{"input":"a","max_output_tokens":2,"stream":true}', '{"input":"a","max_output_tokens":1,"stream":false}', '/v1/responses'],
    ['responses without a limit', '{"input":"a"}', '{"input":"a","stream":false,"max_output_tokens":1}', '/v1/responses'],
    ['token ids', '{"token_ids":[1,2],"sampling_params":{"max_tokens":9,"top_p":0.10}}', '{"token_ids":[1,2],"sampling_params":{"max_tokens":1,"top_p":0.10,"min_tokens":1},"stream":false}', '/inference/v1/generate'],
    ['token ids without parameters', '{"token_ids":[1,2],"sampling_params":null}', '{"token_ids":[1,2],"sampling_params":null,"stream":false}', '/inference/v1/generate']
  ] as const) t.equal(prefill(text, path), expected, name)
})

t.test('with parameters of a connector', async t => {
  t.equal(prefill('{"max_tokens":1,"min_tokens":1,"stream":false}', undefined, '{"a":null}'), '{"max_tokens":1,"min_tokens":1,"stream":false,"kv_transfer_params":{"a":null}}')
  t.equal(prefill('{"kv_transfer_params": null, "max_tokens":1,"min_tokens":1,"stream":false}', undefined, '{}'), '{"kv_transfer_params": {}, "max_tokens":1,"min_tokens":1,"stream":false}')
  t.equal(prefill('[1]'), undefined)
})

t.test('the decode leg', async t => {
  const body = Buffer.from('{ "temperature":0.70,"stream":true }')
  t.equal(decodeBody(body, '{"x":[[1,2]]}')?.toString(), '{ "temperature":0.70,"stream":true,"kv_transfer_params":{"x":[[1,2]]} }')
  t.equal(decodeBody(body, undefined), body, 'the client\'s own, not even copied')
  t.equal(decodeBody(Buffer.from('no JSON'), '{}'), undefined)
  for (const [text, expected] of [
    ['{}', '{"kv_transfer_params":1}'], [' {\n}\n', ' {"kv_transfer_params":1\n}\n'], ['{"a":{}}', '{"a":{},"kv_transfer_params":1}'], ['{"a":"{"}', '{"a":"{","kv_transfer_params":1}'],
    ['{"kv_transfer_params":null,"a":1}', '{"kv_transfer_params":1,"a":1}'], ['{"kv_transfer_param\\u0073": null}', '{"kv_transfer_param\\u0073": 1}'],
    ['{"a":"kv_transfer_params \\u0041"}', '{"a":"kv_transfer_params \\u0041","kv_transfer_params":1}']
  ] as const) {
    t.equal(decodeBody(Buffer.from(text), '1')?.toString(), expected, text)
    const without = locateFields(Buffer.from(text), new Set(['kv_transfer_params']))?.size === 0
    t.equal(decodeBody(Buffer.from(text), '1', without)?.toString(), expected, text)
  }
  t.equal(decodeBody(Buffer.from('no JSON'), '1', true), undefined)
})

t.test('what can be split', async t => {
  for (const [text, expected, path] of [
    ['{}', true], ['{"n":1,"best_of":null}', true], ['{"n":2}', false], ['{"best_of":3}', false], ['{"use_beam_search":true}', false], ['{"use_beam_search":false}', true],
    ['no JSON', undefined], ['[]', undefined], ['', undefined],
    ['{"prompt":"a"}', true, '/v1/completions'], ['{"prompt":["a"]}', true, '/v1/completions'], ['{"prompt":["a","b"]}', false, '/v1/completions'],
    ['{"prompt":[1,2,3]}', true, '/v1/completions'], ['{"prompt":[[1,2,3]]}', true, '/v1/completions'], ['{"prompt":[[1],[2]]}', false, '/v1/completions'], ['{"prompt":[]}', true, '/v1/completions'],
    ['{"input":"a"}', true, '/v1/responses'], ['{"input":"a","background":true}', false, '/v1/responses'], ['{"input":"a","background":false}', true, '/v1/responses'],
    ['{"input":"a","previous_response_id":"resp_1"}', false, '/v1/responses'], ['{"input":"a","previous_response_id":null}', true, '/v1/responses'],
    ['{"sampling_params":{"n":1}}', true, '/inference/v1/generate'], ['{"sampling_params":{"n":4}}', false, '/inference/v1/generate']
  ] as const) t.equal(canSplit(Buffer.from(text), path ?? '/v1/chat/completions'), expected, `${path ?? 'chat'} ${text}`)
})
