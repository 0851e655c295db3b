// A split request as both workers and the client see it: bytes, headers, ids, and an answer whose prompt's side is the prefill worker's.
import t from 'tap'
import { send } from '../helpers/raw-client.ts'
import { paramsOf, startPools } from '../helpers/pools.ts'
import { valuesOf } from '../helpers/raw-worker.ts'

const json: [string, string] = ['content-type', 'application/json']
const whole = '{"id":"d-1", "choices":[{"index":0,"text":"hi"}],"usage":{"prompt_tokens":40,"completion_tokens":5,"total_tokens":45,"prompt_tokens_details":{"cached_tokens":7}},"z":1.0}'
const nixl = '"kv_transfer_params":{"do_remote_decode":true,"do_remote_prefill":false,"remote_engine_id":null,"remote_block_ids":null,"remote_host":null,"remote_port":null}'

t.test('bodies by path', async t => {
  const { port, prefill: [prefill], decode: [decode], held } = await startPools(t, { prefills: 1, decodes: 1 })
  let count = 0
  for (const [path, body, expected] of [
    ['/v1/chat/completions', '{"model":"raw", "temperature": 0.70,"stream":true,"stream_options":{"include_usage":true}, "max_completion_tokens":9,"messages":[]}',
      `{"model":"raw", "temperature": 0.70,"stream":false,"max_completion_tokens":1,"messages":[],"max_tokens":1,"min_tokens":1,${nixl}}`],
    ['/v1/completions', '{"prompt":"é\\u00e9", "max_tokens":9}', `{"prompt":"é\\u00e9", "max_tokens":1,"stream":false,"min_tokens":1,${nixl}}`],
    ['/v1/responses', '{"input":"a","max_output_tokens":9 }', `{"input":"a","max_output_tokens":1,"stream":false,${nixl} }`],
    ['/inference/v1/generate?a=%20b', '{"token_ids":[1],"sampling_params":{"max_tokens":9}}', `{"token_ids":[1],"sampling_params":{"max_tokens":1,"min_tokens":1},"stream":false,${nixl}}`]
  ] as const) {
    const got = await send(port, { path, headers: [json], body })
    count++
    t.equal(got.status, 200, path)
    const [first, second] = [prefill?.requests.at(-1), decode?.requests.at(-1)]
    t.same([first?.url, second?.url], [path, path])
    t.equal(first?.body.toString(), expected)
    t.equal(second?.body.toString(), body.replace(/( ?)\}$/, `,"kv_transfer_params":${paramsOf(`kv-${count}`)}$1}`))
    if (body.includes('"stream":true')) {
      t.equal(got.body.toString(), 'data: {"id":"d-1","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\ndata: {"choices":[],"usage":{"prompt_tokens":40,"completion_tokens":5,"total_tokens":45,"prompt_tokens_details":{"cached_tokens":7}}}\n\ndata: [DONE]\n\n')
    } else {
      t.equal(got.body.toString(), whole)
      t.same(valuesOf(got.headers, 'content-length'), [String(whole.length)])
    }
    t.ok(got.complete)
    t.equal(held.size, 0, 'the blocks were taken')
  }
  t.same([prefill?.requests.length, decode?.requests.length], [count, count], 'each leg once')
})

t.test('headers', async t => {
  const { port, prefill: [prefill], decode: [decode] } = await startPools(t, { prefills: 1, decodes: 1, apiKey: 'routers-own' })
  const got = await send(port, { path: '/v1/completions', headers: [json, ['X-Request-Id', 'own-1'], ['x-correlation-id', 'other'], ['Cookie', 'a=1'], ['X-Odd', '1'], ['x-odd', '2'], ['traceparent', '00-1-2-03']], body: '{"prompt":"a"}' })
  t.same(valuesOf(got.headers, 'x-request-id'), ['own-1'])
  for (const leg of [prefill?.requests.at(-1), decode?.requests.at(-1)]) {
    const headers = leg?.rawHeaders ?? []
    t.same(valuesOf(headers, 'x-request-id'), ['own-1'], 'both legs go by the request\'s own id')
    t.same(valuesOf(headers, 'x-correlation-id'), ['other'])
    t.same([valuesOf(headers, 'cookie'), valuesOf(headers, 'x-odd'), valuesOf(headers, 'traceparent')], [['a=1'], ['1', '2'], ['00-1-2-03']])
    t.same(valuesOf(headers, 'authorization'), ['Bearer routers-own'])
    t.same(valuesOf(headers, 'content-length'), [String(leg?.body.length)])
  }
  await send(port, { path: '/v1/completions', headers: [json, ['Authorization', 'Bearer clients-own']], body: '{"prompt":"a"}' })
  for (const leg of [prefill?.requests.at(-1), decode?.requests.at(-1)]) t.same(valuesOf(leg?.rawHeaders ?? [], 'authorization'), ['Bearer clients-own'])
})

t.test('no credential at all rather than an empty one', async t => {
  const { port, prefill: [prefill], decode: [decode] } = await startPools(t, { prefills: 1, decodes: 1 })
  await send(port, { path: '/v1/completions', headers: [json], body: '{"prompt":"a"}' })
  for (const leg of [prefill?.requests[0], decode?.requests[0]]) t.same(valuesOf(leg?.rawHeaders ?? [], 'authorization'), [])
})

t.test('the decision is explained to who asks', async t => {
  const { port, router, prefill, decode } = await startPools(t, { prefills: 1, decodes: 1, prefillPolicy: 'random', decodePolicy: 'power_of_two' })
  const alias = (url = ''): string => router.workers.get(url)?.alias ?? ''
  const got = await send(port, { path: '/v1/completions', headers: [json, ['x-vllm-router-explain', '1']], body: '{"prompt":"a"}' })
  t.same(valuesOf(got.headers, 'x-vllm-router-decision'), [`worker=${alias(decode[0]?.url)}; policy=power_of_two; reason=only_candidate; candidates=1; split=split; prefill=${alias(prefill[0]?.url)}`])
})
